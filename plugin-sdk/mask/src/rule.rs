//! What to mask, as settings say it.

use tidegate_sdk::prelude::*;

/// What to mask, and how: at least one of `names`, `paths`, `patterns` and `regexes`.
///
/// ```
/// use tidegate_mask::{Mask, Rule};
/// use tidegate_sdk::prelude::*;
///
/// #[derive(Config)]
/// #[config(validate = Settings::check)]
/// struct Settings {
///     /// What to mask.
///     rules: Vec<Rule>,
/// }
///
/// impl Settings {
///     fn check(&self) -> Result<(), String> {
///         Mask::new(&self.rules, None).map(drop)
///     }
/// }
///
/// use tidegate_sdk::testing::configure;
///
/// configure::<Settings>(json!({ "rules": [{ "names": ["password"], "action": "remove" }] }))?;
/// let error = configure::<Settings>(json!({ "rules": [{ "paths": ["user.name"] }] })).err().unwrap();
/// assert!(error.starts_with("rules[0].paths: \"user.name\" is no path: it has to begin with $"), "{error}");
/// # Ok::<(), String>(())
/// ```
#[derive(Config, Debug, Clone)]
pub struct Rule {
    /// Names of members of JSON objects at any depth, in any case; in records, of headers and query parameters, too.
    #[config(default = Vec::new())]
    pub names: Vec<String>,
    /// JSON paths (RFC 9535), of `$`, `.name`, `['name']`, `[0]`, `[*]`, `.*` and `..`: `$.cards[*].number`.
    #[config(default = Vec::new())]
    pub paths: Vec<String>,
    /// What to look for in every text and number: payment cards, e-mail addresses, bearer tokens and JWTs, IBANs.
    #[config(default = Vec::new())]
    #[schemars(extend("default" = []))]
    pub patterns: Vec<Pattern>,
    /// The same by regexes, none of which may match more than 256 bytes: `\bAKIA[0-9A-Z]{16}\b`.
    #[config(default = Vec::new())]
    pub regexes: Vec<String>,
    /// What becomes of it.
    #[config(default = Action::Redact)]
    #[schemars(extend("default" = "redact"))]
    pub action: Action,
    /// How many characters `keep_last` leaves; none of a value that is not at least twice as long.
    #[config(default = 4)]
    #[schemars(range(min = 1, max = 32))]
    pub keep: u8,
}

/// What becomes of a value.
///
/// ```
/// use tidegate_mask::{Action, Mask, Rule};
/// use tidegate_sdk::testing::configure;
/// use tidegate_sdk::json;
///
/// let rule = |action| configure::<Rule>(json!({ "names": ["card"], "action": action })).unwrap();
/// let masked = |action| Mask::new(&[rule(action)], Some(b"a key of its own")).unwrap()
///     .named("card", b"4111111111111111").map(|value| String::from_utf8_lossy(&value).into_owned());
/// assert_eq!(masked("redact").as_deref(), Some("***"));
/// assert_eq!(masked("keep_last").as_deref(), Some("***1111"));
/// assert_eq!(masked("hash").as_deref(), Some("sha256:7d283789f0028fcd"));
/// assert_eq!(masked("remove"), None);
/// assert_eq!(rule("hash").action, Action::Hash);
/// ```
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `***` in its place.
    Redact,
    /// `***` and its last characters.
    KeepLast,
    /// A keyed hash of it: the same for the same value, and nobody without the key finds out which.
    Hash,
    /// Nothing in its place: the member of the object, the element of the array, the match in a text.
    Remove,
}

/// What is known by its looks.
///
/// ```
/// use tidegate_mask::{Mask, Pattern, Rule};
/// use tidegate_sdk::testing::configure;
/// use tidegate_sdk::json;
///
/// let rule: Rule = configure(json!({ "patterns": ["card", "email", "token", "iban"] })).unwrap();
/// assert_eq!(rule.patterns[0], Pattern::Card);
/// let mask = Mask::new(&[rule], None).unwrap();
/// let masked = |text: &str| String::from_utf8_lossy(&mask.text(text.as_bytes())).into_owned();
/// assert_eq!(masked("paid by 4111 1111-1111 1111"), "paid by ***");
/// assert_eq!(masked("write to alice@example.com."), "write to ***.");
/// assert_eq!(masked("Authorization: Bearer s3cret"), "Authorization: Bearer ***");
/// assert_eq!(masked("to DE89 3704 0044 0532 0130 00 at once"), "to *** at once");
/// ```
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// 13 to 19 digits, in groups or not, that begin with 2 to 6 and whose check digit is right.
    Card,
    /// E-mail addresses.
    Email,
    /// JSON web tokens, and what follows `Bearer`.
    Token,
    /// International bank account numbers whose check digits are right.
    Iban,
}
