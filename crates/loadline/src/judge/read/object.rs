//! One JSON object, of any of the known programs.

use std::collections::BTreeMap;

use loadline_growth::Kind;
use loadline_record::suggest::nearest;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::series::Size;
use super::benchmarks::Benchmarks;
use super::hyperfine::Results;

/// All keys that decide the form of an object.
#[derive(Default)]
pub struct Object {
    pub id: Option<String>,
    pub kind: Option<KindName>,
    pub n: Option<Vec<Size>>,
    pub y: Option<Vec<Vec<f64>>>,
    pub base: Option<Vec<Vec<f64>>>,
    pub new: Option<Vec<Vec<f64>>>,
    pub interleaved: Option<bool>,
    pub exact: Option<bool>,
    pub quantum: Option<f64>,
    pub design: Option<DesignFile>,
    pub benchmarks: Option<Benchmarks>,
    pub results: Option<Results>,
    /// Keys that belong to no form, in the order of the file.
    pub unknown: Vec<String>,
}

impl Object {
    /// Whether the object is a series in Loadline's own form, or was meant to be one.
    pub fn is_series(&self) -> bool {
        let rows = [&self.y, &self.base, &self.new];
        self.id.is_some()
            || self.kind.is_some()
            || self.n.is_some()
            || rows.iter().any(|rows| rows.is_some())
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KindName {
    Count,
    Time,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Kind {
        match name {
            KindName::Count => Kind::Count,
            KindName::Time => Kind::Time,
        }
    }
}

/// The design of a synthetic series. Only `interleaved` is used.
#[derive(Deserialize)]
pub struct DesignFile {
    pub interleaved: Option<bool>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

impl DesignFile {
    /// A key that can only be a misspelt `interleaved`.
    pub fn misspelt(&self) -> Option<&String> {
        self.others.keys().find(|key| nearest(key, ["interleaved"].into_iter()).is_some())
    }
}
