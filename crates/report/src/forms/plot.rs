//! A small plot for terminals: the cost per module over N, one line per N, next to the figures.

use comfy_table::{CellAlignment, Table, presets};

use crate::session::model::{SeriesFacts, SizeFacts};
use loadline_scenario::units::amount;

/// The smallest and the largest number of columns for the dots.
const NARROWEST: usize = 12;
const WIDEST: usize = 40;

/// Plots the cost at `n_rows` sizes or fewer next to the other side's, and the cost per module as dots. Lines are
/// at most `width` long. If there is no room for dots, the plot shows only figures.
pub fn cost_plot(series: &SeriesFacts, n_rows: usize, width: usize) -> Vec<String> {
    let sizes = picked(&series.costs, n_rows);
    let has_other = series.costs.iter().any(|size| size.other_cost.is_some());
    let other = has_other.then(|| series.other_name());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let header = ["N", "now"].into_iter().chain(other);
    table.set_header(header.map(str::to_owned));
    for size in &sizes {
        let mut row = vec![size.n.to_string(), amount(size.cost, series.unit)];
        if has_other {
            let cost = size.other_cost.map(|cost| amount(cost, series.unit));
            row.push(cost.unwrap_or_else(|| "–".to_owned()));
        }
        table.add_row(row);
    }
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let figures: Vec<String> =
        table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    let used = figures.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let room = width.saturating_sub(used + 4).min(WIDEST);
    if room < NARROWEST {
        return figures;
    }
    let legend = match other {
        Some(other) => format!("one {}: ● now, ○ {other}", series.one),
        None => format!("one {}: ● now", series.one),
    };
    let dots = std::iter::once(legend).chain(dots(&sizes, room));
    let joined = figures.iter().zip(dots).map(|(line, dots)| {
        let padding = " ".repeat(used - line.chars().count());
        format!("{line}{padding}  {dots}")
    });
    joined.collect()
}

/// Draws one line per N: a dot for each side, from 0 at the left to the largest cost at the right.
fn dots(sizes: &[&SizeFacts], room: usize) -> Vec<String> {
    let other = |size: &SizeFacts| size.other_cost.map(|cost| cost / size.n as f64);
    let both = sizes.iter().flat_map(|size| [Some(size.per_module), other(size)]);
    let largest = both.flatten().fold(0.0, f64::max);
    let place = |cost: f64| match largest > 0.0 {
        true => ((cost / largest) * (room - 1) as f64).round() as usize,
        false => 0,
    };
    let line = |size: &&SizeFacts| {
        let mut cells = vec![' '; room];
        let now = place(size.per_module).min(room - 1);
        if let Some(other) = other(size) {
            cells[place(other).min(room - 1)] = '○';
        }
        cells[now] = if cells[now] == '○' { '◉' } else { '●' };
        let dots: String = cells.into_iter().collect();
        format!("│{}", dots.trim_end())
    };
    sizes.iter().map(line).collect()
}

/// Picks `count` sizes or fewer, evenly, with the smallest and the largest among them.
fn picked(sizes: &[SizeFacts], count: usize) -> Vec<&SizeFacts> {
    if sizes.len() <= count || count < 2 {
        return sizes.iter().collect();
    }
    let place = |i: usize| (i * (sizes.len() - 1) + (count - 1) / 2) / (count - 1);
    (0..count).map(|i| &sizes[place(i)]).collect()
}
