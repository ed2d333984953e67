//! One entry of a `plugins` list: which plugin, with which config, within which limits.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Number, Value as Json};
use toml::de::{DeFloat, DeInteger, DeValue};

use super::checked::{
    GrantedFolder, Grants, Isolation, OnFailure, Only, Place, PluginConfig, PluginLimits, PluginUse, Trip,
};
use super::faults::{Faults, Span};
use super::read::marks::marks;
use super::reader::{Fields, Located, Value};
use super::values::{ByteSize, Name, Period, Text};
use crate::limits;

/// By what a use may be narrowed, besides the list that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Narrowing {
    /// Nothing.
    None,
    /// A service.
    Service,
    /// A route, a service, or both.
    RouteAndService,
}

/// The `plugins` of a scope: the whole file, a service, a route or a consumer. `enabled = false` leaves a use out.
/// Relative paths start at `folder`.
pub(super) fn plugin_uses(scope: &Fields<'_>, narrowing: Narrowing, folder: &Path) -> Vec<PluginUse> {
    let mut uses: Vec<PluginUse> = Vec::new();
    for value in scope.array("plugins") {
        let Some(plugin_use) = plugin_use(value, narrowing, folder, scope.faults()) else { continue };
        if uses.iter().any(|other| other.is_for_the_same(&plugin_use)) {
            let message = format!("\"{}\" is used twice in one list", plugin_use.plugin.value);
            scope.faults().at(&plugin_use.plugin.span, message);
        }
        uses.push(plugin_use);
    }
    uses
}

impl PluginUse {
    fn is_for_the_same(&self, other: &Self) -> bool {
        let is_same = |one: &Option<Located<Name>>, other: &Option<Located<Name>>| {
            one.as_ref().map(|name| &name.value) == other.as_ref().map(|name| &name.value)
        };
        self.plugin.value == other.plugin.value
            && is_same(&self.only.route, &other.only.route)
            && is_same(&self.only.service, &other.only.service)
    }
}

fn plugin_use(value: &Value<'_>, narrowing: Narrowing, folder: &Path, faults: &Faults) -> Option<PluginUse> {
    let fields = Fields::of(value, "a plugin use", faults)?;
    marks(&fields);
    let plugin = fields.require("use", "the name of a bundled plugin or of one under [components]");
    let config = match fields.value("config") {
        Some(config) => plugin_config(config, faults),
        None => Some(PluginConfig { json: Json::Object(Map::new()), span: value.span(), places: HashMap::new() }),
    };
    let priority = fields.integer("priority", i64::from(i32::MIN)..=i64::from(i32::MAX));
    let limits = plugin_limits(&fields);
    let on_failure = fields.parse::<OnFailure>("on_failure").map_or(OnFailure::Closed, |said| said.value);
    let trip = trip(&fields);
    let isolation = fields.parse::<Isolation>("isolation").map_or(Isolation::Worker, |said| said.value);
    let grants = grants(&fields, folder);
    let timer = fields.parse::<Period>("timer").map(|period| Located { value: period.value.0, span: period.span });
    if let Some(timer) = timer.as_ref().filter(|timer| timer.value < limits::PLUGIN_TIMER_MIN) {
        fields.faults().at(&timer.span, format!("`timer` is at least {:?}", limits::PLUGIN_TIMER_MIN));
    }
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let mut only = Only::default();
    if narrowing != Narrowing::None {
        only.service = fields.parse("service");
    }
    if narrowing == Narrowing::RouteAndService {
        only.route = fields.parse("route");
    }
    fields.finish();
    enabled.then_some(())?;
    Some(PluginUse {
        plugin: plugin?,
        config: config?,
        priority: priority.and_then(|priority| i32::try_from(priority).ok()),
        limits,
        on_failure,
        trip,
        isolation,
        grants,
        timer,
        only,
    })
}

impl FromStr for OnFailure {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        match said {
            "closed" => Ok(Self::Closed),
            "open" => Ok(Self::Open),
            _ => Err("expected \"closed\" (the request fails, too) or \"open\" (it goes on without)".to_owned()),
        }
    }
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        match said {
            "worker" => Ok(Self::Worker),
            "request" => Ok(Self::Request),
            _ => Err("expected \"worker\" (instances are used again) or \"request\" (a fresh one each)".to_owned()),
        }
    }
}

fn grants(plugin_use: &Fields<'_>, folder: &Path) -> Grants {
    let Some(value) = plugin_use.value("grants") else { return Grants::default() };
    let Some(fields) = Fields::of(value, "`grants`", plugin_use.faults()) else {
        return Grants { refused: true, ..Grants::default() };
    };
    let before = fields.faults().len();
    let mut grants = Grants {
        origins: fields.parse_all("http"),
        secrets: fields.parse_all("secrets"),
        sinks: fields.parse_all("sinks"),
        credentials: fields.parse_all("credentials"),
        sockets: fields.parse_all("sockets"),
        files: fields.array("files").filter_map(|value| granted_folder(value, folder, fields.faults())).collect(),
        refused: false,
    };
    for (granted, what) in
        [(grants.origins.len(), "origins"), (grants.sockets.len(), "peers"), (grants.files.len(), "folders")]
    {
        if granted > limits::GRANTS {
            fields.faults().at(fields.span(), format!("a use can be granted {} {what} at most", limits::GRANTS));
        }
    }
    for (nth, folder) in grants.files.iter().enumerate() {
        if grants.files.iter().take(nth).any(|other| other.at == folder.at) {
            fields.faults().at(&folder.path.span, format!("another folder is at \"{}\" already", folder.at));
        }
    }
    fields.finish();
    grants.refused = plugin_use.faults().len() > before;
    grants
}

fn granted_folder(value: &Value<'_>, folder: &Path, faults: &Faults) -> Option<GrantedFolder> {
    let fields = Fields::of(value, "each of `files`", faults)?;
    let path = fields.require::<Text>("path", "a folder");
    let at = fields.require::<GuestPath>("at", "where the plugin finds it, like \"/geoip\"");
    let write = fields.boolean("write").unwrap_or(false);
    fields.finish();
    Some(GrantedFolder { path: path?.map(|path| folder.join(path.0)), at: at?.value.0, write })
}

/// A folder as a plugin names it.
struct GuestPath(String);

impl FromStr for GuestPath {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        let plain = |name: &str| !["", ".", ".."].contains(&name) && !name.contains(char::is_control);
        match said.strip_prefix('/') {
            Some(names) if names.split('/').all(plain) => Ok(Self(said.to_owned())),
            _ => Err(format!("\"{said}\" is no place for a folder: expected one like \"/geoip\"")),
        }
    }
}

fn trip(plugin_use: &Fields<'_>) -> Option<Trip> {
    let value = plugin_use.value("trip")?;
    let fields = Fields::of(value, "`trip`", plugin_use.faults())?;
    let failures = fields.integer("failures", 1..=i64::from(limits::TRIP_FAILURES_MAX));
    let period = |name, otherwise| fields.parse::<Period>(name).map_or(otherwise, |period| period.value.0);
    let trip = Trip {
        failures: failures.and_then(|failures| u32::try_from(failures).ok()).unwrap_or(limits::TRIP_FAILURES),
        within: period("within", limits::TRIP_WITHIN),
        cooldown: period("cooldown", limits::TRIP_COOLDOWN),
    };
    fields.finish();
    Some(trip)
}

fn plugin_limits(plugin_use: &Fields<'_>) -> PluginLimits {
    let mut checked = PluginLimits::default();
    let Some(value) = plugin_use.value("limits") else { return checked };
    let Some(fields) = Fields::of(value, "`limits`", plugin_use.faults()) else { return checked };
    if let Some(time) = fields.parse::<Period>("time") {
        checked.time = time.value.0;
        if checked.time > limits::PLUGIN_TIME_MAX {
            let help = "a plugin holds up its worker's other requests while it runs";
            let message = format!("`time` is at most {:?}", limits::PLUGIN_TIME_MAX);
            fields.faults().at_with_help(&time.span, message, help);
        }
    }
    if let Some(wait) = fields.parse::<Period>("wait") {
        checked.wait = wait.value.0;
        if checked.wait > limits::PLUGIN_WAIT_MAX {
            fields.faults().at(&wait.span, format!("`wait` is at most {:?}", limits::PLUGIN_WAIT_MAX));
        }
    }
    if let Some(memory) = fields.parse::<ByteSize>("memory") {
        checked.memory = memory.value.0;
        if !(limits::PLUGIN_MEMORY_MIN..=limits::PLUGIN_MEMORY_MAX).contains(&checked.memory) {
            fields.faults().at(&memory.span, "`memory` is from 64KiB to 4GiB");
        }
    }
    if let Some(body) = fields.parse::<ByteSize>("body") {
        checked.body = body.value.0 as u64;
        if checked.body > limits::PLUGIN_BODY_BYTES_MAX {
            fields.faults().at(&body.span, "`body` is at most 64MiB: every request in flight holds so much");
        }
    }
    if let Some(instances) = fields.integer("instances", 1..=limits::PLUGIN_INSTANCES_MAX as i64) {
        checked.instances = usize::try_from(instances).unwrap_or(limits::PLUGIN_INSTANCES);
    }
    fields.finish();
    checked
}

fn plugin_config(value: &Value<'_>, faults: &Faults) -> Option<PluginConfig> {
    Fields::of(value, "`config`", faults)?;
    let mut translation = Translation { places: HashMap::new(), faults };
    let json = translation.json(value, "")?;
    Some(PluginConfig { json, span: value.span(), places: translation.places })
}

/// TOML as JSON; notes the place of every value under its JSON pointer.
struct Translation<'f> {
    places: HashMap<String, Place>,
    faults: &'f Faults,
}

impl Translation<'_> {
    fn json(&mut self, value: &Value<'_>, pointer: &str) -> Option<Json> {
        Some(match value.get_ref() {
            DeValue::String(text) => Json::String(text.to_string()),
            DeValue::Boolean(boolean) => Json::Bool(*boolean),
            DeValue::Integer(number) => Json::Number(integer(number, value, self.faults)?),
            DeValue::Float(number) => Json::Number(float(number, value, self.faults)?),
            DeValue::Datetime(date) => Json::String(date.to_string()),
            DeValue::Array(array) => {
                let mut elements = Vec::with_capacity(array.len());
                for (index, element) in array.iter().enumerate() {
                    elements.push(self.nested(pointer, &index.to_string(), None, element)?);
                }
                Json::Array(elements)
            }
            DeValue::Table(table) => {
                let mut members = Map::new();
                for (key, member) in table {
                    let name: &str = key.get_ref();
                    members.insert(name.to_owned(), self.nested(pointer, name, Some(key.span()), member)?);
                }
                Json::Object(members)
            }
        })
    }

    fn nested(&mut self, parent: &str, token: &str, key: Option<Span>, value: &Value<'_>) -> Option<Json> {
        let pointer = format!("{parent}/{}", token.replace('~', "~0").replace('/', "~1"));
        let nested = self.json(value, &pointer);
        self.places.insert(pointer, Place { key, value: value.span() });
        nested
    }
}

fn integer(number: &DeInteger<'_>, value: &Value<'_>, faults: &Faults) -> Option<Number> {
    let parsed = i64::from_str_radix(number.as_str(), number.radix());
    parsed.map(Number::from).map_err(|_| faults.at(&value.span(), "this number is too large")).ok()
}

fn float(number: &DeFloat<'_>, value: &Value<'_>, faults: &Faults) -> Option<Number> {
    let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
    if parsed.is_none() {
        faults.at(&value.span(), "JSON, which plugins are configured in, has no such number");
    }
    parsed
}
