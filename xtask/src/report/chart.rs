//! Curves as SVG with real text: costs over N, on linear or logarithmic axes. `plotters` draws axes and
//! lines; points lie over them as elements of their own, which say what they are when pointed at.
//!
//! Colours are roles: what is drawn here in a stand-in gets its colour from the page's style sheet, light
//! or dark.

use loadline_record::Result;
use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

/// The size that a chart is drawn at; the page stretches it.
const SIZE: (u32, u32) = (420, 280);

/// The size of the letters at the axes.
const LABEL: u32 = 13;

/// The stand-ins for axes, the curves of now, and those of the other side.
const AXIS: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const NOW: RGBColor = RGBColor(3, 3, 3);
const OTHER: RGBColor = RGBColor(4, 4, 4);

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly; a straight line is linear growth.
    Linear,
    /// By factors: the slope is the exponent. Of nothing there is no logarithm: such points are left out.
    Logarithmic,
}

/// What a line of a chart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Measured now, or fitted to that.
    Now,
    /// The other side.
    Other,
}

/// One line with its points.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What it is.
    pub role: Role,
    /// The line: x and y, x rising.
    pub line: Vec<(f64, f64)>,
    /// The points on or beside it.
    pub points: Vec<Point>,
}

/// One point.
#[derive(Debug, Clone)]
pub struct Point {
    /// Where.
    pub at: (f64, f64),
    /// From where to where it may lie.
    pub interval: Option<(f64, f64)>,
    /// What it says when pointed at.
    pub says: String,
}

/// A chart.
pub struct Chart<'a> {
    /// Tells it from others of the page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The same for who cannot see it.
    pub description: String,
    /// What is drawn.
    pub curves: Vec<Curve>,
    /// How both axes are divided.
    pub scale: Scale,
    /// A figure of the upright axis, with its unit.
    pub amount: &'a dyn Fn(f64) -> String,
}

impl Chart<'_> {
    /// The chart; `None` where there are not two points to draw.
    pub fn draw(&self) -> Option<Markup> {
        let (x, y) = self.ranges()?;
        let mut text = String::new();
        let overlay = {
            let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            let drawn = match self.scale {
                Scale::Linear => self.draw_on(&area, x, y),
                Scale::Logarithmic => {
                    self.draw_on(&area, x.log_scale().base(2.0), y.log_scale().base(10.0))
                }
            };
            // Nothing but memory is written to.
            drawn.ok()?
        };
        let (_, inner) = text.split_once('>')?;
        let inner = inner.rsplit_once("</svg>")?.0;
        let (title, description) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let (width, height) = SIZE;
        Some(html! {
            svg viewBox={ "0 0 " (width) " " (height) } role="img" aria-labelledby={ (title) " " (description) } {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (PreEscaped(compact(inner)))
                (overlay)
            }
        })
    }

    /// What both axes have to reach.
    fn ranges(&self) -> Option<(Range<f64>, Range<f64>)> {
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
        Some(match self.scale {
            Scale::Linear => (0.0..x.1 * 1.05, 0.0..if y.1 > 0.0 { y.1 * 1.08 } else { 1.0 }),
            Scale::Logarithmic => (x.0 / 1.2..x.1 * 1.2, y.0 / 1.5..y.1 * 1.5),
        })
    }

    fn is_drawn(&self, (x, y): (f64, f64)) -> bool {
        let is_logarithmic = self.scale == Scale::Logarithmic;
        x.is_finite() && y.is_finite() && (!is_logarithmic || (x > 0.0 && y > 0.0))
    }

    /// Axes and lines into `area`; the points are returned.
    fn draw_on<X, Y>(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        x: X,
        y: Y,
    ) -> Result<Markup, Box<dyn std::error::Error>>
    where
        X: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
        Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(14)
            .x_label_area_size(34)
            .y_label_area_size(66)
            .build_cartesian_2d(x, y)?;
        let font = ("sans-serif", LABEL).into_font().color(&AXIS);
        chart
            .configure_mesh()
            .axis_style(AXIS)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .label_style(font)
            .x_labels(6)
            .y_labels(6)
            .x_desc("N")
            .x_label_formatter(&|n| format!("{n:.0}"))
            .y_label_formatter(&|cost| match *cost {
                0.0 => "0".to_owned(),
                cost => (self.amount)(cost),
            })
            .draw()?;
        for curve in &self.curves {
            let line = curve.line.iter().copied().filter(|point| self.is_drawn(*point));
            let style = ShapeStyle::from(if curve.role == Role::Now { &NOW } else { &OTHER });
            chart.draw_series(LineSeries::new(line, style.stroke_width(2)))?;
        }
        let place = |at: (f64, f64)| chart.backend_coord(&at);
        let points = self.curves.iter().flat_map(|curve| {
            let drawn = curve.points.iter().filter(|point| self.is_drawn(point.at));
            drawn.map(move |point| (curve.role, point))
        });
        Ok(html! {
            @for (role, point) in points {
                @let (x, y) = place(point.at);
                @let class = if role == Role::Now { "now" } else { "other" };
                @if let Some((low, high)) = point.interval.filter(|(low, _)| self.is_drawn((point.at.0, *low))) {
                    line class=(class) x1=(x) x2=(x) y1=(place((point.at.0, low)).1) y2=(place((point.at.0, high)).1) {}
                }
                circle class=(class) cx=(x) cy=(y) r="4" { title { (point.says) } }
            }
        })
    }
}

/// The drawing without what the style sheet says anyway, and without blanks: a suite has hundreds.
fn compact(svg: &str) -> String {
    let usual = [
        " opacity=\"1\"".to_owned(),
        " fill=\"none\"".to_owned(),
        " stroke-width=\"1\"".to_owned(),
        " font-family=\"sans-serif\"".to_owned(),
        format!(" font-size=\"{}\"", f64::from(LABEL) / 1.24),
        " fill=\"#010101\"".to_owned(),
    ];
    let lines = svg.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| usual.iter().fold(line.to_owned(), |l, attribute| l.replace(attribute, "")))
        .collect()
}
