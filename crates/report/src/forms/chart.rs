//! Draws curves as SVG with real text: costs over N, on linear or logarithmic axes. Colours come from the
//! page's style sheet, by the classes `axis`, `grid`, `now` and `other`.

use maud::{Markup, html};

/// The width and height that a chart is drawn at. The page scales the chart.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 280.0;
/// The space for labels around the drawing.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 40.0;
/// The largest number of intervals on an axis.
const DIVISIONS: f64 = 6.0;

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Even intervals: linear growth is a straight line.
    Linear,
    /// Intervals by factors: the slope is the exponent. Costs of 0 have no logarithm, so they are left out.
    Logarithmic,
}

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
    /// The line: x and y, x rising.
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
    /// Formats a value of the vertical axis, with its unit.
    pub amount: &'a dyn Fn(f64) -> String,
}

/// One axis: the values that it shows, and where it lies in the drawing.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// Returns the values that get a label: round numbers, or powers of `base` on a logarithmic axis.
    fn labelled(&self, base: f64) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let least = (self.high - self.low) / DIVISIONS;
                let power = 10_f64.powf(least.log10().floor());
                let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
                let step = steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * power);
                let n = (self.high / step).floor() as usize;
                (0..=n).map(|i| i as f64 * step).collect()
            }
            Scale::Logarithmic => {
                let (first, last) =
                    (self.low.log(base).ceil() as i32, self.high.log(base).floor() as i32);
                let every = f64::from(last - first).div_euclid(DIVISIONS) as usize + 1;
                (first..=last).step_by(every).map(|power| base.powi(power)).collect()
            }
        }
    }
}

impl Chart<'_> {
    /// Draws the chart; returns `None` if there are fewer than two points to draw.
    pub fn draw(&self) -> Option<Markup> {
        let (x, y) = self.axes()?;
        let (title, description) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let number = |value: f64| format!("{value:.1}");
        let place = |at: (f64, f64)| (number(x.place(at.0)), number(y.place(at.1)));
        let label = |cost: f64| if cost == 0.0 { "0".to_owned() } else { (self.amount)(cost) };
        Some(html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (title) " " (description) } {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                @for n in x.labelled(2.0) {
                    @let (at, bottom) = (number(x.place(n)), y.from);
                    line.grid x1=(at) x2=(at) y1=(TOP) y2=(bottom) {}
                    text x=(at) y=(bottom + 16.0) text-anchor="middle" { (format!("{n:.0}")) }
                }
                @for cost in y.labelled(10.0) {
                    @let at = y.place(cost);
                    line.grid x1=(LEFT) x2=(x.to) y1=(number(at)) y2=(number(at)) {}
                    text x=(LEFT - 6.0) y=(number(at + 4.0)) text-anchor="end" { (label(cost)) }
                }
                text x=((LEFT + x.to) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { "N" }
                polyline.axis points={ (LEFT) "," (TOP) " " (LEFT) "," (y.from) " " (x.to) "," (y.from) } {}
                @for curve in &self.curves {
                    @let class = curve.role.class();
                    @let line = curve.line.iter().copied().filter(|at| self.is_drawn(*at)).map(place);
                    polyline class=(class) points=(line.map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")) {}
                }
                @for curve in &self.curves {
                    @for point in curve.points.iter().filter(|point| self.is_drawn(point.at)) {
                        @let (class, (cx, cy)) = (curve.role.class(), place(point.at));
                        @if let Some((low, high)) = point.interval.filter(|(low, _)| self.is_drawn((point.at.0, *low))) {
                            line class=(class) x1=(cx) x2=(cx) y1=(number(y.place(low))) y2=(number(y.place(high))) {}
                        }
                        circle class=(class) cx=(cx) cy=(cy) r="4" { title { (point.says) } }
                    }
                }
            }
        })
    }

    /// Computes both axes from the range of the points.
    fn axes(&self) -> Option<(Axis, Axis)> {
        let points = self.curves.iter().flat_map(|curve| {
            let own = curve.points.iter().flat_map(|point| {
                let ends = point.interval.map_or([point.at.1; 2], |(low, high)| [low, high]);
                [point.at.1, ends[0], ends[1]].map(|y| (point.at.0, y))
            });
            curve.line.iter().copied().chain(own)
        });
        let points: Vec<(f64, f64)> = points.filter(|point| self.is_drawn(*point)).collect();
        let (mut x, mut y) = ((f64::MAX, f64::MIN), (f64::MAX, f64::MIN));
        for (a, b) in &points {
            x = (x.0.min(*a), x.1.max(*a));
            y = (y.0.min(*b), y.1.max(*b));
        }
        if points.len() < 2 || x.0 >= x.1 {
            return None;
        }
        let ((x_low, x_high), (y_low, y_high)) = match self.scale {
            Scale::Linear => ((0.0, x.1 * 1.05), (0.0, if y.1 > 0.0 { y.1 * 1.08 } else { 1.0 })),
            Scale::Logarithmic => ((x.0 / 1.2, x.1 * 1.2), (y.0 / 1.5, y.1 * 1.5)),
        };
        let scale = self.scale;
        let across = Axis { scale, low: x_low, high: x_high, from: LEFT, to: WIDTH - RIGHT };
        let upright = Axis { scale, low: y_low, high: y_high, from: HEIGHT - BOTTOM, to: TOP };
        Some((across, upright))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale, low: f64, high: f64) -> Axis {
        Axis { scale, low, high, from: 0.0, to: 100.0 }
    }

    #[test]
    fn labels_are_round_numbers_within_the_axis() {
        let linear = axis(Scale::Linear, 0.0, 4300.0);
        assert_eq!(linear.labelled(2.0), [0.0, 1000.0, 2000.0, 3000.0, 4000.0]);
        let powers = axis(Scale::Logarithmic, 50.0, 5000.0);
        assert_eq!(powers.labelled(2.0), [64.0, 256.0, 1024.0, 4096.0]);
        assert_eq!(powers.labelled(10.0), [100.0, 1000.0]);
    }

    #[test]
    fn places_follow_the_scale() {
        assert!((axis(Scale::Linear, 0.0, 4.0).place(1.0) - 25.0).abs() < 1e-9);
        assert!((axis(Scale::Logarithmic, 1.0, 16.0).place(4.0) - 50.0).abs() < 1e-9);
    }
}
