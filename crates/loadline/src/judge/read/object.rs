//! One JSON object, whichever program wrote it.

use std::collections::BTreeMap;

use loadline_growth::Kind;
use loadline_record::suggest::nearest;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::series::Size;
use super::benchmarks::Benchmarks;
use super::hyperfine::Results;

/// Every key that decides what an object is, of all forms.
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
    /// Keys that no form has, in the order of the file.
    pub unknown: Vec<String>,
}

impl Object {
    /// Whether it is, or is meant as, a series in Loadline's own form.
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

/// How a made-up series was made. Of all that it may say, `interleaved` counts.
#[derive(Deserialize)]
pub struct DesignFile {
    pub interleaved: Option<bool>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

impl DesignFile {
    /// A key that can only be meant as the one that counts.
    pub fn misspelt(&self) -> Option<&String> {
        self.others.keys().find(|key| nearest(key, ["interleaved"].into_iter()).is_some())
    }
}
