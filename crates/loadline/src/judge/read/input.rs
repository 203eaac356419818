//! Reads one file, folder or stream, whose content shows its form.

use loadline_record::{Result, bail};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::found::Found;
use super::{criterion, document, rows};
use crate::cli::Judge;

/// Reads `path`, or standard input for `-`.
///
/// # Errors
/// When it cannot be read, or holds no series. The text says where.
pub fn read(path: &Path, arguments: &Judge) -> Result<Found> {
    if path == Path::new("-") {
        return from_stream(io::stdin().lock(), "-", arguments);
    }
    if path.is_dir() {
        return criterion::read(path);
    }
    let stem = path.file_stem().map_or("-".into(), |stem| stem.to_string_lossy());
    from_stream(BufReader::with_capacity(1 << 16, File::open(path)?), &stem, arguments)
}

/// A series without a name of its own is called `name`.
fn from_stream(input: impl BufRead, name: &str, arguments: &Judge) -> Result<Found> {
    let mut input = without_byte_order_mark(input)?;
    let line = skip_blank(&mut input)?;
    match input.fill_buf()?.first() {
        None => bail!("it is empty"),
        Some(b'[' | b'{') => document::read(input, name),
        Some(_) => rows::read(input, line, name, arguments),
    }
}

fn without_byte_order_mark(mut input: impl BufRead) -> io::Result<impl BufRead> {
    let mut start = Vec::new();
    input.by_ref().take(3).read_to_end(&mut start)?;
    if start == "\u{feff}".as_bytes() {
        start.clear();
    }
    Ok(Cursor::new(start).chain(input))
}

/// Skips blanks and empty lines. Returns the number of the next line, counted from 1.
fn skip_blank(input: &mut impl BufRead) -> io::Result<usize> {
    let mut line = 1;
    loop {
        let buffer = input.fill_buf()?;
        let n_blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        line += buffer[..n_blank].iter().filter(|byte| **byte == b'\n').count();
        let is_over = buffer.is_empty() || n_blank < buffer.len();
        input.consume(n_blank);
        if is_over {
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fmt::Write;

    use clap::Parser;
    use expect_test::{Expect, expect};

    use super::*;
    use crate::cli::{Cli, Verb};

    /// Checks what is read from a file that the tool itself made: each series with its sizes, and its
    /// readings at the first size.
    fn check(name: &str, expected: &Expect) {
        let Verb::Judge(arguments) = Cli::parse_from(["loadline", "judge", name]).verb else {
            panic!("another verb");
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge").join(name);
        let found = read(&path, &arguments).unwrap();
        let mut text = String::new();
        for named in &found.series {
            let series = named.question.judged();
            let (sizes, first) = (series.sizes(), &series.costs()[0]);
            assert!(!series.is_interleaved() && !series.is_exact(), "{}", named.id);
            writeln!(text, "{} {:?} {sizes:?} {first:?}", named.id, series.kind()).unwrap();
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn google_benchmark() {
        check(
            "google.json",
            &expect![[r#"
            BM_Sum Time [64, 256, 1024, 4096, 16384, 65536] [22.9793, 23.1751, 23.0229]
            BM_EraseFront/real_time[width=1] Time [1024, 2048, 4096, 8192, 16384, 32768] [53.31, 52.512, 38.278]
            BM_EraseFront/real_time[width=2] Time [1024, 2048, 4096, 8192, 16384, 32768] [122.561, 121.976, 120.751]
        "#]],
        );
    }

    #[test]
    fn hyperfine() {
        check(
            "hyperfine.json",
            &expect![[r#"
            hyperfine: seq {n}000 Time [500, 1000, 2000, 4000, 8000] [0.015222765, 0.031790232, 0.015977183000000002]
            hyperfine: awk 'BEGIN { for (i = 0; i < {n} * {n} / 10; i++) x += i }' Time [500, 1000, 2000, 4000, 8000] [0.0027026610000000003, 0.002211489, 0.006955514]
        "#]],
        );
    }

    #[test]
    fn pytest_benchmark() {
        check(
            "pytest.json",
            &expect![[r#"
                test_lists.py::test_pop[end=front] Time [1024, 2048, 4096, 8192, 16384, 32768] [7.598299998790026e-5, 7.666400006201002e-5, 7.589799997731461e-5, 7.622300006460137e-5]
                test_lists.py::test_pop[end=back] Time [1024, 2048, 4096, 8192, 16384, 32768] [3.0348999985108097e-5, 2.9207000011410855e-5, 2.9058999984954426e-5, 2.8682999982265756e-5]
                test_lists.py::test_sum Time [16, 32, 64, 128, 256] [1.8678571223063045e-7, 1.8410714476755986e-7, 1.8392857116720866e-7, 1.8392857116720866e-7, 1.8257143048166266e-7, 1.816785706003949e-7, 1.1474642868896415e-6, 1.892142863977954e-7, 1.8539285763706304e-7, 1.8664285659854487e-7, 1.8378571553512304e-7, 1.8467857135614658e-7]
            "#]],
        );
    }

    #[test]
    fn criterion() {
        check(
            "criterion",
            &expect![[r#"
            queue/remove-front Time [1024, 2048, 4096, 8192, 16384] [24785.521739130436, 23226.152173913044, 23298.652173913044, 92916.33695652174, 120939.23478260869, 104160.07971014493, 22964.89440993789, 76992.43478260869, 89401.08695652174, 94159.26956521739]
            sum Time [64, 128, 256, 512, 1024] [66.17415179446951, 65.16022749558736, 65.19938550042492, 65.17268091782702, 380.36112963326144, 67.15532457344577, 738.9516431793348, 262.2653951755246, 66.30493996644222, 458.84414591096294]
        "#]],
        );
    }
}
