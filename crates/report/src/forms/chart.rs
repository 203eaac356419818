//! Draws curves as SVG with real text: costs over N, on linear or logarithmic axes. Colours come from the
//! page's style sheet, by the classes `axis`, `grid`, `guide`, `now` and `other`.

mod axis;

use maud::{Markup, html};

pub use axis::Scale;
use axis::{Axis, Unit};

/// The width and height that a chart is drawn at. The page scales the chart.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 280.0;
/// The space for labels and titles around the drawing.
const LEFT: f64 = 48.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 46.0;
/// The widths that the labels of the guide lines need.
const GUIDE_LABEL: f64 = 100.0;
const LINEAR_LABEL: f64 = 55.0;

/// The side that a curve belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The current measurement, or its fit.
    Now,
    /// The other side.
    Other,
}

/// One curve with its line and points.
#[derive(Debug, Clone)]
pub struct Curve {
    /// The side that the curve belongs to.
    pub role: Role,
    /// The line: x and y, x rising. If it is empty, the line leads from point to point.
    pub line: Vec<(f64, f64)>,
    /// The measured points of the curve.
    pub points: Vec<Point>,
}

/// One point of a curve.
#[derive(Debug, Clone)]
pub struct Point {
    /// The place of the point: x and y.
    pub at: (f64, f64),
    /// The interval of y, from low to high.
    pub interval: Option<(f64, f64)>,
    /// The text shown when a reader points at the point.
    pub says: String,
}

/// A chart with its axes, title and curves.
pub struct Chart<'a> {
    /// The identifier of the chart, unique within the page.
    pub id: String,
    /// The title of the chart.
    pub title: String,
    /// A description for readers who cannot see the chart.
    pub description: String,
    /// The curves to draw.
    pub curves: Vec<Curve>,
    /// How both axes are divided.
    pub scale: Scale,
    /// The title of the horizontal axis.
    pub across: String,
    /// `ns`, `bytes` or `count`: the unit of the costs.
    pub unit: &'a str,
    /// The noun for what is counted, if the unit is `count`.
    pub counted: &'a str,
    /// What each cost belongs to, such as `run`.
    pub per: &'a str,
}

impl Chart<'_> {
    /// Draws the chart; returns `None` if there are fewer than two points to draw.
    pub fn draw(&self) -> Option<Markup> {
        let (x, y) = self.axes()?;
        let (title, description) = (format!("{}-t", self.id), format!("{}-d", self.id));
        Some(html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (title) " " (description) } {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (self.frame(&x, &y))
                @if self.scale == Scale::Logarithmic { (self.guides(&x, &y)) }
                @for curve in &self.curves { (self.line(curve, &x, &y)) }
                @for curve in &self.curves { (self.points(curve, &x, &y)) }
            }
        })
    }

    /// Draws the axes with their titles, labels and grid.
    fn frame(&self, x: &Axis, y: &Axis) -> Markup {
        let unit = Unit::of(self.unit, y);
        let sizes: Vec<f64> = self.now().points.iter().map(|point| point.at.0).collect();
        html! {
            @for n in x.labels_across(&sizes) {
                @let at = number(x.place(n));
                line.grid x1=(at) x2=(at) y1=(TOP) y2=(y.from) {}
                text x=(at) y=(y.from + 18.0) text-anchor="middle" { (axis::plain(n)) }
            }
            @for cost in y.labels_upright(unit.size) {
                @let at = y.place(cost);
                line.grid x1=(LEFT) x2=(x.to) y1=(number(at)) y2=(number(at)) {}
                text x=(LEFT - 6.0) y=(number(at + 4.0)) text-anchor="end" { (axis::plain(cost / unit.size)) }
            }
            text.title x=((LEFT + x.to) / 2.0) y=(HEIGHT - 5.0) text-anchor="middle" { (self.across) }
            text.title x="2" y="13" { (unit.name.unwrap_or(self.counted)) " per " (self.per) }
            polyline.axis points={ (LEFT) "," (TOP) " " (LEFT) "," (y.from) " " (x.to) "," (y.from) } {}
        }
    }

    /// Draws lines of slope 1 and 2 from the start of the current curve, so that a reader sees which of them
    /// the curve follows.
    fn guides(&self, x: &Axis, y: &Axis) -> Markup {
        let Curve { line, points, .. } = self.now();
        let mut starts = line.iter().copied().chain(points.iter().map(|point| point.at));
        let Some((n, cost)) = starts.find(|at| self.is_drawn(*at)) else { return html! {} };
        let guide = |power: f64, label: &str| {
            // The line ends at the right or at the upper edge.
            let last = (n * (y.high / cost).powf(1.0 / power)).min(x.high);
            let (right, top) = (x.place(last), y.place(cost * (last / n).powf(power)));
            // The label stands where the line is not: above its end, or below it.
            let slope = (y.place(cost) - top) / (right - x.place(n));
            let is_free = right < x.to - GUIDE_LABEL;
            let below = match power {
                1.0 if is_free => 24.0,
                1.0 => slope * LINEAR_LABEL + 16.0,
                _ => 10.0,
            };
            let (at, anchor) = if is_free {
                (right + 5.0, "start")
            } else {
                (right - if power > 1.0 { 16.0 } else { 6.0 }, "end")
            };
            html! {
                line.guide x1=(number(x.place(n))) y1=(number(y.place(cost))) x2=(number(right)) y2=(number(top)) {}
                text.guide x=(number(at)) y=(number((top + below).min(y.from - 5.0))) text-anchor=(anchor) { (label) }
            }
        };
        html! { (guide(1.0, "N: linear")) (guide(2.0, "N²: quadratic")) }
    }

    fn line(&self, curve: &Curve, x: &Axis, y: &Axis) -> Markup {
        let from_points = || curve.points.iter().map(|point| point.at).collect();
        let line = if curve.line.is_empty() { from_points() } else { curve.line.clone() };
        let drawn = line.into_iter().filter(|at| self.is_drawn(*at));
        let places = drawn.map(|(n, cost)| format!("{:.1},{:.1}", x.place(n), y.place(cost)));
        html! { polyline class=(curve.role.class()) points=(places.collect::<Vec<_>>().join(" ")) {} }
    }

    fn points(&self, curve: &Curve, x: &Axis, y: &Axis) -> Markup {
        let class = curve.role.class();
        html! {
            @for Point { at, interval, says } in curve.points.iter().filter(|point| self.is_drawn(point.at)) {
                @let (cx, cy) = (number(x.place(at.0)), number(y.place(at.1)));
                @if let Some((low, high)) = interval.filter(|(low, _)| self.is_drawn((at.0, *low))) {
                    line class=(class) x1=(cx) x2=(cx) y1=(number(y.place(low))) y2=(number(y.place(high))) {}
                }
                circle class=(class) cx=(cx) cy=(cy) r="4" { title { (says) } }
            }
        }
    }

    /// Computes both axes from the range of the points.
    fn axes(&self) -> Option<(Axis, Axis)> {
        let points = self.curves.iter().flat_map(|curve| {
            let own = curve.points.iter().flat_map(|point| {
                let (low, high) = point.interval.unwrap_or((point.at.1, point.at.1));
                [point.at.1, low, high].map(|y| (point.at.0, y))
            });
            curve.line.iter().copied().chain(own)
        });
        let points: Vec<(f64, f64)> = points.filter(|point| self.is_drawn(*point)).collect();
        let range = |of: fn(&(f64, f64)) -> f64| {
            let values = points.iter().map(of);
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (across, upright) = (range(|point| point.0), range(|point| point.1));
        (across.0 < across.1).then(|| {
            let x = Axis::across(self.scale, across, (LEFT, WIDTH - RIGHT));
            (x, Axis::upright(self.scale, upright, (HEIGHT - BOTTOM, TOP)))
        })
    }

    /// The curve of the current measurement. The other side is drawn first.
    fn now(&self) -> &Curve {
        &self.curves[self.curves.len() - 1]
    }

    fn is_drawn(&self, (x, y): (f64, f64)) -> bool {
        let is_logarithmic = self.scale == Scale::Logarithmic;
        x.is_finite() && y.is_finite() && (!is_logarithmic || (x > 0.0 && y > 0.0))
    }
}

impl Role {
    fn class(self) -> &'static str {
        match self {
            Role::Now => "now",
            Role::Other => "other",
        }
    }
}

/// Formats a place in the drawing.
fn number(place: f64) -> String {
    format!("{place:.1}")
}
