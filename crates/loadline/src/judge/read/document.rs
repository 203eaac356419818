//! Reads JSON: one object or a list of objects, in one pass that keeps only the readings. The keys of an
//! object show its form.

use loadline_record::{Result, bail, ensure};
use std::fmt;
use std::io::Read;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::found::Found;
use super::object::Object;
use super::own;

/// Reads the series of a document. A series without a name of its own is called `name`.
///
/// # Errors
/// When the input is not JSON, has none of the known forms, or holds no series.
pub fn read(input: impl Read, name: &str) -> Result<Found> {
    let (objects, is_list) = match serde_json::from_reader(input)? {
        Document::List(objects) => (objects, true),
        Document::One(object) => (vec![*object], false),
    };
    ensure!(!objects.is_empty(), "it contains no series");
    let mut found = Found { series: Vec::new(), notes: Vec::new(), states_itself: true };
    for (object, place) in objects.into_iter().zip(1..) {
        match object {
            Object { benchmarks: Some(benchmarks), .. } if !is_list => {
                return benchmarks.into_found();
            }
            Object { results: Some(results), .. } if !is_list => return results.into_found(name),
            object if object.is_series() || is_list => {
                found.series.push(own::named(object, place)?);
            }
            object => bail!(
                "its keys ({}) match no form that Loadline reads: a series has id, kind, n and y; \
                 Google Benchmark and pytest-benchmark have benchmarks, hyperfine has results; for criterion name the folder, such as target/criterion",
                object.unknown.join(", ")
            ),
        }
    }
    Ok(found)
}

enum Document {
    One(Box<Object>),
    List(Vec<Object>),
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Document;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or a list of objects")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Document, A::Error> {
                Ok(Document::One(Box::new(ObjectVisitor.visit_map(map)?)))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Document, A::Error> {
                let mut objects = Vec::new();
                while let Some(object) = seq.next_element()? {
                    objects.push(object);
                }
                Ok(Document::List(objects))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        let mut seen: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            match key.as_str() {
                "id" => object.id = map.next_value()?,
                "kind" => object.kind = map.next_value()?,
                "n" => object.n = map.next_value()?,
                "y" => object.y = map.next_value()?,
                "base" => object.base = map.next_value()?,
                "new" => object.new = map.next_value()?,
                "interleaved" => object.interleaved = map.next_value()?,
                "exact" => object.exact = map.next_value()?,
                "quantum" => object.quantum = map.next_value()?,
                "design" => object.design = map.next_value()?,
                "benchmarks" => object.benchmarks = map.next_value()?,
                "results" => object.results = map.next_value()?,
                remark => {
                    map.next_value::<IgnoredAny>()?;
                    if !own::REMARKS.contains(&remark) {
                        object.unknown.push(key.clone());
                    }
                }
            }
            seen.push(key);
        }
        Ok(object)
    }
}
