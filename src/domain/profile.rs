//! An influencer as conditions and templates see them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What templates may say of an influencer beside their own properties; the first three are always there.
pub const FIELDS: [&str; 10] =
    ["handle", "stage", "reach", "first_name", "last_name", "timezone", "email", "owner", "tags", "properties"];
/// Those of [`FIELDS`] that may be missing.
pub const OPTIONAL: [&str; 5] = ["first_name", "last_name", "timezone", "email", "owner"];

/// What is known of one influencer, as plain data.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// What the team calls them; never empty.
    pub handle: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// The id of their stage.
    pub stage: String,
    /// IANA zone.
    pub timezone: Option<String>,
    /// The address that is written to.
    pub email: Option<String>,
    /// The id of the teammate who looks after them.
    pub owner: Option<String>,
    /// Followers over all networks; 0 where nothing is known.
    pub reach: i64,
    /// Tags.
    pub tags: Vec<String>,
    /// Custom properties.
    pub properties: Map<String, Value>,
}

impl Profile {
    /// As names of the template language. What is empty or null is left out, so that defaults apply.
    pub fn facts(&self) -> Map<String, Value> {
        let mut facts = Map::new();
        let mut put = |key: &str, value: Value| {
            if !is_nothing(&value) {
                facts.insert(key.to_owned(), value);
            }
        };
        put("handle", self.handle.clone().into());
        put("first_name", self.first_name.clone().into());
        put("last_name", self.last_name.clone().into());
        put("stage", self.stage.clone().into());
        put("timezone", self.timezone.clone().into());
        put("email", self.email.clone().into());
        put("owner", self.owner.clone().into());
        put("reach", self.reach.into());
        put("tags", self.tags.clone().into());
        let properties = self.properties.iter().filter(|(_, value)| !is_nothing(value));
        put("properties", Value::Object(properties.map(|(k, v)| (k.clone(), v.clone())).collect()));
        facts
    }
}

/// Null, or text of nothing but white space.
pub fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}
