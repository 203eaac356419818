//! Finds the smallest value of a function of one variable on an interval.

/// The place where a function is smallest, and its value there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Minimum {
    pub at: f64,
    pub value: f64,
}

/// Finds the smallest value of `function` over the factor 0 ≤ α ≤ `largest`, to about 1e−9·max(1, α).
///
/// First it tries seventeen factors up to 3.3, one per step of √2 beyond, and `known`, a factor that the
/// caller expects. Then it tries nine factors between the neighbours of the best. They are needed because a
/// baseline that costs far more than the new curve makes a valley much narrower than the first steps. Brent's
/// method ("Algorithms for Minimization without Derivatives", 1973, chapter 5) finishes the search.
pub(crate) fn least_over_factors(
    largest: f64,
    known: Option<f64>,
    function: impl Fn(f64) -> f64,
) -> Minimum {
    const DENSE_TO: f64 = 3.3;
    let dense = largest.min(DENSE_TO);
    let mut factors = evenly(0.0, dense, 16);
    let mut next = DENSE_TO;
    while next < largest {
        next = (next * std::f64::consts::SQRT_2).min(largest);
        factors.push(next);
    }
    let start = known.map(|known| Minimum { at: known, value: function(known) });
    let (low, best, high) = bracket(factors, start, &function);
    let (low, best, high) = bracket(evenly(low, high, 8), Some(best), &function);
    close_in(low, high, best, function)
}

fn evenly(low: f64, high: f64, steps: u32) -> Vec<f64> {
    let step = |i| low + (high - low) * f64::from(i) / f64::from(steps);
    (0..=steps).map(step).collect()
}

/// Returns the best of rising `factors` and of a `known` one, with its neighbours.
fn bracket(
    factors: Vec<f64>,
    known: Option<Minimum>,
    function: impl Fn(f64) -> f64,
) -> (f64, Minimum, f64) {
    let tried = factors.iter().map(|factor| Minimum { at: *factor, value: function(*factor) });
    let better = |best: Minimum, next: Minimum| if next.value < best.value { next } else { best };
    let best = known.into_iter().chain(tried).reduce(better);
    let best = best.unwrap_or(Minimum { at: 0.0, value: f64::INFINITY });
    let below = factors.iter().rev().find(|factor| **factor < best.at);
    let above = factors.iter().find(|factor| **factor > best.at);
    (*below.unwrap_or(&best.at), best, *above.unwrap_or(&best.at))
}

/// Runs Brent's method between `low` and `high`, from a known point between them.
fn close_in(mut low: f64, mut high: f64, start: Minimum, function: impl Fn(f64) -> f64) -> Minimum {
    /// The smaller part of the golden section.
    const GOLDEN: f64 = 0.381_966_011_250_105;
    const MAX_STEPS: usize = 60;
    let (mut best, mut second, mut third) = (start, start, start);
    let (mut step, mut step_before_last) = (0.0_f64, 0.0_f64);
    for _ in 0..MAX_STEPS {
        let middle = 0.5 * (low + high);
        let tolerance = 5e-10 * best.at.abs().max(1.0);
        if (best.at - middle).abs() + 0.5 * (high - low) <= 2.0 * tolerance {
            break;
        }
        let parabola = parabola_step(best, second, third);
        let is_useful = |step: f64| {
            let next = best.at + step;
            step.abs() < 0.5 * step_before_last.abs() && next > low && next < high
        };
        (step, step_before_last) = match parabola.filter(|step| is_useful(*step)) {
            Some(parabola) => (parabola, step),
            None => {
                let rest = if best.at < middle { high - best.at } else { low - best.at };
                (GOLDEN * rest, rest)
            }
        };
        let at = best.at + if step.abs() >= tolerance { step } else { tolerance.copysign(step) };
        let tried = Minimum { at, value: function(at) };
        if tried.value <= best.value {
            if at < best.at {
                high = best.at;
            } else {
                low = best.at;
            }
            (third, second, best) = (second, best, tried);
        } else {
            if at < best.at {
                low = at;
            } else {
                high = at;
            }
            if tried.value <= second.value || second.at == best.at {
                (third, second) = (second, tried);
            } else if tried.value <= third.value || third.at == best.at || third.at == second.at {
                third = tried;
            }
        }
    }
    best
}

/// Returns the step from the best of three points to the lowest point of the parabola through them.
fn parabola_step(best: Minimum, second: Minimum, third: Minimum) -> Option<f64> {
    let r = (best.at - second.at) * (best.value - third.value);
    let q = (best.at - third.at) * (best.value - second.value);
    let numerator = (best.at - third.at) * q - (best.at - second.at) * r;
    let denominator = 2.0 * (q - r);
    let step = -numerator / denominator;
    step.is_finite().then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(largest: f64, at: f64, function: fn(f64) -> f64) {
        let found = least_over_factors(largest, None, function);
        assert!((found.at - at).abs() <= 3e-8 * at.max(1.0), "{found:?} instead of {at}");
        assert_eq!(found.value, function(found.at));
    }

    #[test]
    fn the_smallest_value_is_found() {
        check(3.3, 1.234_567, |a| (a - 1.234_567).powi(2));
        check(3.3, 0.0, |a| a);
        check(3.3, 3.3, |a| -a);
        check(1e6, 54_321.0, |a| (a.max(1e-9).ln() - 54_321.0_f64.ln()).powi(2));
        check(3.3, 0.7, |a| (a - 0.7).abs());
        // A narrow valley in a plain that slopes towards the valley.
        check(3.3, 1.3, |a| {
            if (a - 1.3).abs() < 1e-3 { (a - 1.3).powi(2) - 1.0 } else { 1e6 + (a - 1.3).abs() }
        });
    }

    #[test]
    fn a_known_factor_is_tried() {
        let spike = |a: f64| if a == 2.5 { -1.0 } else { (a - 0.3).powi(2) };
        assert_eq!(least_over_factors(3.3, Some(2.5), spike).at, 2.5);
    }
}
