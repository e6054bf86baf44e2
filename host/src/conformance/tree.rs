//! A value of the boundary's encoding whose type is not known.
//!
//! Owns the tree between bytes and JSON: what mutation works on, and what a
//! failure shows to people. Deliberately knows no type of the contract.
//! Invariant: reading and writing keeps every value, bytes included; only the
//! form for people is lossy.

use std::fmt;

use kefu_plugin_api::{error::AdapterError, wire};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Value;

/// One value and all that is in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

impl Tree {
    /// Reads what crosses the boundary.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, AdapterError> {
        wire::decode(bytes)
    }

    /// The tree of a value of the contract.
    pub(super) fn of(value: &impl Serialize) -> Result<Self, AdapterError> {
        Self::read(&wire::encode(value)?)
    }

    /// The bytes that cross the boundary.
    pub(super) fn write(&self) -> Result<Vec<u8>, AdapterError> {
        wire::encode(self)
    }

    /// The entry of a map.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Map(entries) => entries
                .iter_mut()
                .find(|(name, _)| matches!(name, Self::Text(text) if text == key))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// How many values it is made of.
    pub(super) fn size(&self) -> usize {
        1 + match self {
            Self::List(values) => values.iter().map(Self::size).sum(),
            Self::Map(entries) => entries.iter().map(|(_, value)| value.size()).sum(),
            _ => 0,
        }
    }

    /// The value at a place, counted as [`size`](Self::size) counts.
    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut Self> {
        let Some(mut place) = place.checked_sub(1) else {
            return Some(self);
        };
        let children: Vec<&mut Self> = match self {
            Self::List(values) => values.iter_mut().collect(),
            Self::Map(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
            _ => return None,
        };
        for child in children {
            let size = child.size();
            if place < size {
                return child.at_mut(place);
            }
            place -= size;
        }
        None
    }

    /// For people: bytes are shown as text where they are text.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Nil => Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Uint(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => serde_json::json!({ "hex": hex(bytes) }),
            },
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.as_key(), value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    fn as_key(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.to_json().to_string(),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> de::Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nil)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Uint(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Tree::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::testing::samples;

    use super::*;

    #[test]
    fn whatever_crosses_the_boundary_is_kept() {
        for (name, event) in samples::events() {
            let bytes = wire::encode(&event).expect("written");
            let tree = Tree::read(&bytes).expect("read");
            assert_eq!(tree.write().expect("written"), bytes, "{name}");
        }
        let callback = wire::encode(&samples::callback()).expect("written");
        let tree = Tree::read(&callback).expect("read");
        assert_eq!(tree.write().expect("written"), callback);
    }

    #[test]
    fn every_place_of_a_tree_can_be_reached() {
        let mut tree = Tree::of(&samples::view()).expect("read");
        let size = tree.size();
        assert!(size > 10);
        assert!((0..size).all(|place| tree.at_mut(place).is_some()));
        assert!(tree.at_mut(size).is_none());
    }

    #[test]
    fn bytes_are_shown_as_text_where_they_are_text() {
        let shown = |bytes: &[u8]| Tree::Bytes(bytes.to_vec()).to_json();
        assert_eq!(shown(b"{}"), "{}");
        assert_eq!(shown(b"\xff\x00"), serde_json::json!({"hex": "ff00"}));
    }
}
