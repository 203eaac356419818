//! The axes of a chart: the values that they show, their units and their labels.

/// The largest number of intervals on an axis.
const DIVISIONS: f64 = 5.0;
/// The space that a label on the horizontal axis needs.
const LABEL_WIDTH: f64 = 44.0;

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Even intervals: linear growth is a straight line.
    Linear,
    /// Intervals by factors: the slope is the exponent. Costs of 0 have no logarithm, so they are left out.
    Logarithmic,
}

/// One axis: the values that it shows, and where it lies in the drawing.
pub struct Axis {
    pub scale: Scale,
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

/// The unit that the labels of an axis are in.
pub struct Unit {
    pub size: f64,
    /// The name of the unit; `None` if things are counted.
    pub name: Option<&'static str>,
}

impl Axis {
    /// Builds the horizontal axis.
    pub fn across(scale: Scale, (low, high): (f64, f64), (from, to): (f64, f64)) -> Axis {
        let (low, high) = match scale {
            Scale::Linear => (0.0, high * 1.05),
            Scale::Logarithmic => (low / 1.2, high * 1.2),
        };
        Axis { scale, low, high, from, to }
    }

    /// Builds the vertical axis. A logarithmic one shows a factor of 10 at least, so it has several labels.
    pub fn upright(scale: Scale, (low, high): (f64, f64), (from, to): (f64, f64)) -> Axis {
        let (low, high) = match scale {
            Scale::Linear => (0.0, if high > 0.0 { high * 1.08 } else { 1.0 }),
            Scale::Logarithmic => {
                let wider = (10.0 * low / high).sqrt().max(1.5);
                (low / wider, high * wider)
            }
        };
        Axis { scale, low, high, from, to }
    }

    /// Returns the place of a value in the drawing.
    pub fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// Returns the values that get a label on a horizontal axis: round numbers, or those of the `sizes` that
    /// have room, the largest size first.
    pub fn labels_across(&self, sizes: &[f64]) -> Vec<f64> {
        if self.scale == Scale::Linear {
            return self.round_numbers(1.0);
        }
        let mut labels: Vec<f64> = Vec::new();
        for n in sizes.iter().rev() {
            if labels.last().is_none_or(|last| self.place(*last) - self.place(*n) >= LABEL_WIDTH) {
                labels.push(*n);
            }
        }
        labels
    }

    /// Returns the values that get a label on a vertical axis whose labels are multiples of `unit`: round
    /// numbers, or powers of 10, with 2 and 5 times these powers if there are few.
    pub fn labels_upright(&self, unit: f64) -> Vec<f64> {
        if self.scale == Scale::Linear {
            return self.round_numbers(unit);
        }
        let ends = [self.low, self.high].map(|end| (end / unit).log10().floor() as i32);
        let shown = |steps: &[f64]| -> Vec<f64> {
            let powers = (ends[0]..=ends[1]).map(|power| 10_f64.powi(power) * unit);
            let values = powers.flat_map(|power| steps.iter().map(move |step| step * power));
            values.filter(|value| (self.low..=self.high).contains(value)).collect()
        };
        let powers = shown(&[1.0]);
        if powers.len() < 3 {
            return shown(&[1.0, 2.0, 5.0]);
        }
        let every = (powers.len() - 1) / DIVISIONS as usize + 1;
        powers.into_iter().step_by(every).collect()
    }

    /// Returns round multiples of `unit`, from 0.
    fn round_numbers(&self, unit: f64) -> Vec<f64> {
        let least = self.high / unit / DIVISIONS;
        let power = 10_f64.powf(least.log10().floor());
        let steps = [1.0, 2.0, 5.0].map(|step| step * power);
        let step = unit * steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * power);
        let n = (self.high / step).floor() as usize;
        (0..=n).map(|i| i as f64 * step).collect()
    }
}

impl Unit {
    /// Picks the unit for the labels of `axis`: one that suits its top, or its middle if it is logarithmic.
    pub fn of(unit: &str, axis: &Axis) -> Unit {
        let typical = match axis.scale {
            Scale::Linear => axis.high,
            Scale::Logarithmic => (axis.low * axis.high).sqrt(),
        };
        let sizes: &[(f64, &'static str)] = match unit {
            "ns" => &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")],
            "bytes" => &[(1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "bytes")],
            _ => return Unit { size: 1.0, name: None },
        };
        let fitting = sizes.iter().find(|(size, _)| typical >= *size).or(sizes.last());
        let (size, name) = fitting.copied().unwrap_or((1.0, "ns"));
        Unit { size, name: Some(name) }
    }
}

/// Formats a round number: `0.05`, `400`, `20 k`, `6 M`.
pub fn plain(value: f64) -> String {
    let suffixes = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")];
    let (size, suffix) = suffixes.into_iter().find(|(from, _)| value >= *from).unwrap_or((1.0, ""));
    let scaled = value / if size == 1e4 { 1e3 } else { size };
    let decimals = if scaled > 0.0 { (2.0 - scaled.log10().floor()).clamp(0.0, 9.0) } else { 0.0 };
    let digits = format!("{scaled:.*}", decimals as usize);
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_round_numbers_within_the_axis() {
        let linear = Axis::across(Scale::Linear, (64.0, 4096.0), (0.0, 300.0));
        assert_eq!(linear.labels_across(&[]), [0.0, 1000.0, 2000.0, 3000.0, 4000.0]);
        let upright = Axis::upright(Scale::Linear, (0.0, 402e6), (200.0, 0.0));
        assert_eq!(upright.labels_upright(1e6), [0.0, 1e8, 2e8, 3e8, 4e8]);
        let wide = Axis::upright(Scale::Logarithmic, (1e3, 1e7), (200.0, 0.0));
        assert_eq!(wide.labels_upright(1.0), [1e3, 1e4, 1e5, 1e6, 1e7]);
        // Even a flat curve has several labels.
        let flat = Axis::upright(Scale::Logarithmic, (50.0, 50.0), (200.0, 0.0));
        assert_eq!(flat.labels_upright(1.0), [20.0, 50.0, 100.0]);
    }

    #[test]
    fn sizes_are_labelled_where_there_is_room() {
        let sizes = [64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];
        let axis = Axis::across(Scale::Logarithmic, (64.0, 4096.0), (0.0, 300.0));
        assert_eq!(axis.labels_across(&sizes), [4096.0, 2048.0, 1024.0, 512.0, 256.0, 128.0, 64.0]);
        let narrow = Axis { to: 200.0, ..axis };
        assert_eq!(narrow.labels_across(&sizes), [4096.0, 1024.0, 256.0, 64.0]);
    }

    #[test]
    fn places_follow_the_scale() {
        let axis = |scale, low, high| Axis { scale, low, high, from: 0.0, to: 100.0 };
        assert!((axis(Scale::Linear, 0.0, 4.0).place(1.0) - 25.0).abs() < 1e-9);
        assert!((axis(Scale::Logarithmic, 1.0, 16.0).place(4.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_short() {
        let said = [0.0, 0.05, 0.001, 4.0, 402.0, 1000.0, 20_000.0, 6e6, 2.5e9].map(plain);
        assert_eq!(said, ["0", "0.05", "0.001", "4", "402", "1000", "20 k", "6 M", "2.5 G"]);
    }
}
