//! A sink that the settings of a plugin's use make up, as the annotation `x-sink` of the plugin's schema says: from there
//! and a use's config comes what `[[sinks]]` would say, with the places of the use's own settings.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::config::checked::{Place, PluginConfig};
use crate::config::faults::Span;

/// By this name a plugin hands records to it. It has a space, so none of `[[sinks]]` can be called so.
pub const OWN: &str = "its own";

/// `x-sink` of a schema.
#[derive(Debug, PartialEq)]
pub struct OwnSink {
    /// The setting that may name one of `[[sinks]]` in its place.
    pub instead: Option<String>,
    /// What `[[sinks]]` would say, key by key.
    definition: Vec<(String, Template)>,
}

/// What a key of the sink is.
#[derive(Debug, PartialEq)]
enum Template {
    /// The same for all uses.
    Fixed(Json),
    /// What this setting is.
    Setting(Setting),
    /// A text that settings are put into.
    Text(Vec<Part>),
    /// The first of these whose settings are there.
    Either(Vec<Self>),
    Table(Vec<(String, Self)>),
}

#[derive(Debug, PartialEq)]
enum Part {
    Plain(String),
    Setting(Setting),
}

/// A setting by its JSON pointer, and what it is if a use leaves it out.
#[derive(Debug, PartialEq)]
struct Setting {
    pointer: String,
    default: Option<Json>,
    /// What a number is to be multiplied by, where its unit is another.
    factor: Option<f64>,
}

impl OwnSink {
    /// What `schema` says of one, if it does.
    ///
    /// # Errors
    /// The annotation is not what it has to be.
    pub(super) fn of(schema: &Json) -> Result<Option<Self>, String> {
        let Some(annotation) = schema.get("x-sink") else { return Ok(None) };
        let wrong =
            || "its `x-sink` has a table `definition`, and may have the name of a setting, `instead`".to_owned();
        let annotation = annotation.as_object().ok_or_else(wrong)?;
        let definition = annotation.get("definition").and_then(Json::as_object).ok_or_else(wrong)?;
        let instead = annotation.get("instead").map(|name| name.as_str().ok_or_else(wrong)).transpose()?;
        if let Some(name) = instead {
            Setting::parse(name, schema)?;
        }
        let definition = table(definition, schema, DEPTH)?;
        for (key, template) in &definition {
            let is_the_uses = match key.as_str() {
                "path" | "url" | "ca" | "headers" => template.is_a_setting_without_default(),
                "address" => template.is_an_address(),
                _ => true,
            };
            if !is_the_uses {
                return Err(format!("its `x-sink` says `{key}` itself, which is for the use's settings to say"));
            }
        }
        Ok(Some(Self { instead: instead.map(str::to_owned), definition }))
    }

    /// `kind`, as far as it is the same for all uses.
    pub fn kind(&self) -> Option<&str> {
        self.definition.iter().find_map(|(key, template)| match template {
            Template::Fixed(kind) if key == "kind" => kind.as_str(),
            _ => None,
        })
    }

    /// What `config` makes of it: a table as in `[[sinks]]`, whose values stand where the use's settings do.
    pub fn definition(&self, config: &PluginConfig) -> PluginConfig {
        let mut filling = Filling::of(config);
        let json = Json::Object(filling.table(&self.definition, ""));
        PluginConfig { json, span: config.span.clone(), places: filling.places }
    }

    /// One of the sinks that the operator has configured, which `config` names in its place, and where it does.
    pub fn named<'c>(&self, config: &'c PluginConfig) -> Option<(&'c str, &'c Span)> {
        let instead = self.instead.as_deref()?;
        let name = config.json.get(instead)?.as_str()?;
        let place = config.places.get(&format!("/{}", escaped(instead)));
        Some((name, place.map_or(&config.span, |place| &place.value)))
    }

    /// The settings that `config` has and that say something of the sink, with their places.
    pub fn settings<'c>(&self, config: &'c PluginConfig) -> Vec<(String, &'c Span)> {
        let mut said = Vec::new();
        visit(&self.definition, &mut |_, template| {
            for setting in template.settings() {
                let place = config.places.get(&setting.pointer);
                said.extend(place.map(|place| (setting.name(), place.key.as_ref().unwrap_or(&place.value))));
            }
        });
        said
    }

    /// The settings that `config` has for nothing, with their places, and what it is that others say instead.
    pub fn unheard<'c>(&self, config: &'c PluginConfig) -> Vec<(String, &'c Span, String)> {
        let mut unheard = Vec::new();
        for (_, template) in &self.definition {
            let Template::Either(alternatives) = template else { continue };
            let Some(chosen) = chosen(alternatives, config) else { continue };
            let heard = chosen.settings();
            let others = alternatives.iter().flat_map(Template::settings);
            for setting in others.filter(|setting| !heard.contains(setting)) {
                let place = config.places.get(&setting.pointer);
                unheard.extend(
                    place.map(|place| (setting.name(), place.key.as_ref().unwrap_or(&place.value), chosen.named())),
                );
            }
        }
        unheard
    }

    /// What a fault says of the sink that `config` makes up, in words of the use: keys are called as the settings that
    /// they come from.
    pub fn reworded(&self, words: &str, config: &PluginConfig) -> String {
        let mut words = words.to_owned();
        visit(&self.definition, &mut |key, template| {
            let names = match template {
                Template::Either(alternatives) => match chosen(alternatives, config) {
                    Some(chosen) => chosen.named(),
                    None => alternatives.iter().map(Template::named).collect::<Vec<_>>().join(", or "),
                },
                other => other.named(),
            };
            words = words.replace(&format!("`{key}`"), &names);
        });
        words
    }
}

/// The alternative that `config` has settings for.
fn chosen<'t>(alternatives: &'t [Template], config: &PluginConfig) -> Option<&'t Template> {
    alternatives.iter().find(|template| Filling::of(config).value(template, "").is_some())
}

/// Where records go, and what goes with them, is the operator's to say: a plugin that said it itself would have granted
/// itself any file and any server, and, by `env:` and `file:`, any secret.
impl Template {
    fn is_a_setting_without_default(&self) -> bool {
        matches!(self, Self::Setting(setting) if setting.default.is_none())
    }

    /// Host and port, of which at most the port has a default, or the host is this machine; or a unix socket, which has
    /// none.
    fn is_an_address(&self) -> bool {
        let is_usual = |default: &Json| default.is_u64() || LOOPBACK.iter().any(|host| default == host);
        let is_the_uses = |setting: &Setting| setting.default.as_ref().is_none_or(is_usual);
        match self {
            Self::Setting(setting) => is_the_uses(setting),
            Self::Either(alternatives) => alternatives.iter().all(Self::is_an_address),
            Self::Text(parts) if matches!(&**parts, [Part::Plain(text), _] if text == "unix:") => {
                matches!(&**parts, [_, Part::Setting(path)] if path.default.is_none())
            }
            Self::Text(parts) => parts.iter().all(|part| match part {
                Part::Plain(text) => text == ":",
                Part::Setting(setting) => is_the_uses(setting),
            }),
            Self::Fixed(_) | Self::Table(_) => false,
        }
    }

    /// All settings that it is made of.
    fn settings(&self) -> Vec<&Setting> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Setting(setting) => vec![setting],
            Self::Text(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Plain(_) => None,
                    Part::Setting(setting) => Some(setting),
                })
                .collect(),
            Self::Either(alternatives) => alternatives.iter().flat_map(Self::settings).collect(),
            Self::Table(nested) => nested.iter().flat_map(|(_, template)| template.settings()).collect(),
        }
    }

    /// The same, as the operator is told of them: those that have no default, for the others are there.
    fn named(&self) -> String {
        let settings = self.settings();
        let bare: Vec<_> = settings.iter().copied().filter(|setting| setting.default.is_none()).collect();
        let shown = if bare.is_empty() { settings } else { bare };
        shown.iter().map(|setting| format!("`{}`", setting.name())).collect::<Vec<_>>().join(" and ")
    }
}

const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Tables and lists within tables that an annotation may have: a sink's own have one.
const DEPTH: usize = 3;

const TOO_DEEP: &str = "its `x-sink` has more tables within tables than any sink";

fn table(json: &Map<String, Json>, schema: &Json, depth: usize) -> Result<Vec<(String, Template)>, String> {
    let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
    json.iter().map(|(key, value)| Ok((key.clone(), template(value, schema, depth)?))).collect()
}

fn template(json: &Json, schema: &Json, depth: usize) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut rest = match json {
        Json::Object(members) => return Ok(Template::Table(table(members, schema, depth)?)),
        Json::String(text) => text.as_str(),
        Json::Array(alternatives) => {
            let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
            let alternatives = alternatives.iter().map(|one| template(one, schema, depth));
            return Ok(Template::Either(alternatives.collect::<Result<_, _>>()?));
        }
        other => return Ok(Template::Fixed(other.clone())),
    };
    while let Some((plain, placeholder)) = rest.split_once('{') {
        let (name, behind) = placeholder.split_once('}').ok_or("its `x-sink` has a `{` without its `}`")?;
        parts.extend((!plain.is_empty()).then(|| Part::Plain(plain.to_owned())));
        parts.push(Part::Setting(Setting::parse(name, schema)?));
        rest = behind;
    }
    parts.extend((!rest.is_empty()).then(|| Part::Plain(rest.to_owned())));
    Ok(match parts.pop() {
        Some(Part::Setting(setting)) if parts.is_empty() => Template::Setting(setting),
        Some(Part::Plain(_)) | None if parts.is_empty() => Template::Fixed(json.clone()),
        last => Template::Text(parts.into_iter().chain(last).collect()),
    })
}

impl Setting {
    /// `name`, `table.name` or `name*factor`, which `schema` has to have.
    fn parse(said: &str, schema: &Json) -> Result<Self, String> {
        let (path, factor) = match said.split_once('*') {
            None => (said, None),
            Some((path, factor)) => {
                let factor =
                    factor.parse().map_err(|_| format!("its `x-sink` multiplies by no number in `{{{said}}}`"))?;
                (path, Some(factor))
            }
        };
        let mut described = schema;
        let mut pointer = String::new();
        for name in path.split('.') {
            let properties = resolved(described, schema).get("properties");
            described = properties
                .and_then(|known| known.get(name))
                .ok_or_else(|| format!("its `x-sink` names a setting `{path}` that there is not"))?;
            pointer.extend(["/", &escaped(name)]);
        }
        let default = described.get("default").filter(|default| !default.is_null()).cloned();
        Ok(Self { pointer, default, factor })
    }

    /// As the operator sees it.
    fn name(&self) -> String {
        self.pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
    }

    /// What it is under `config`; `None`: nothing.
    fn value<'v>(&'v self, config: &'v PluginConfig) -> Option<Cow<'v, Json>> {
        let value = config.json.pointer(&self.pointer).filter(|value| !value.is_null()).or(self.default.as_ref())?;
        match (self.factor, value.as_f64()) {
            // A duration of a fraction of a millisecond is none.
            (Some(factor), Some(number)) => Some(Cow::Owned(Json::from((number * factor).round() as i64))),
            _ => Some(Cow::Borrowed(value)),
        }
    }
}

/// What a schema refers to by `$ref`, on its own or as one of several that a value may be, as optional ones are.
fn resolved<'s>(schema: &'s Json, root: &'s Json) -> &'s Json {
    let choices = schema.get("anyOf").and_then(Json::as_array).into_iter().flatten();
    let reference = std::iter::once(schema).chain(choices).find_map(|schema| schema.get("$ref")?.as_str());
    reference.and_then(|reference| root.pointer(reference.strip_prefix('#')?)).unwrap_or(schema)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Every key whose value comes from settings.
fn visit<'t>(definition: &'t [(String, Template)], see: &mut impl FnMut(&str, &'t Template)) {
    for (key, template) in definition {
        match template {
            Template::Fixed(_) => {}
            Template::Table(nested) => visit(nested, see),
            Template::Setting(_) | Template::Text(_) | Template::Either(_) => see(key, template),
        }
    }
}

/// What a use's config makes of a definition.
struct Filling<'c> {
    config: &'c PluginConfig,
    /// JSON pointer in the sink's definition to where the use has said it.
    places: HashMap<String, Place>,
}

impl<'c> Filling<'c> {
    fn of(config: &'c PluginConfig) -> Self {
        Self { config, places: HashMap::new() }
    }

    /// A key whose settings have no value is left out, so that the sink has its own default, or misses it.
    fn table(&mut self, definition: &[(String, Template)], at: &str) -> Map<String, Json> {
        let mut filled = Map::new();
        for (key, template) in definition {
            let value = self.value(template, &format!("{at}/{}", escaped(key)));
            filled.extend(value.map(|value| (key.clone(), value)));
        }
        filled
    }

    fn value(&mut self, template: &Template, at: &str) -> Option<Json> {
        match template {
            Template::Fixed(json) => Some(json.clone()),
            Template::Setting(setting) => setting.value(self.config).map(|json| {
                self.places_below(&setting.pointer, at);
                json.into_owned()
            }),
            Template::Text(parts) => self.text(parts, at).map(Json::String),
            Template::Either(alternatives) => alternatives.iter().find_map(|one| self.value(one, at)),
            Template::Table(nested) => {
                let nested = self.table(nested, at);
                (!nested.is_empty()).then_some(Json::Object(nested))
            }
        }
    }

    /// The first of its settings that the use has is where the whole of it stands.
    fn text(&mut self, parts: &[Part], at: &str) -> Option<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Setting(setting) => {
                    match &*setting.value(self.config)? {
                        Json::String(said) => text.push_str(said),
                        other => text.push_str(&other.to_string()),
                    }
                    if let Some(place) = self.config.places.get(&setting.pointer) {
                        self.places.entry(at.to_owned()).or_insert_with(|| place.clone());
                    }
                }
            }
        }
        Some(text)
    }

    /// What stands at `from` in the config, and all that is in it, is at `to` in the sink's definition.
    fn places_below(&mut self, from: &str, to: &str) {
        let all = self.config.places.iter();
        let below = all.filter_map(|(pointer, place)| Some((pointer.strip_prefix(from)?, place)));
        let within = below.filter(|(rest, _)| rest.is_empty() || rest.starts_with('/'));
        self.places.extend(within.map(|(rest, place)| (format!("{to}{rest}"), place.clone())));
    }
}

#[cfg(test)]
mod tests;
