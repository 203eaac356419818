//! Files written by hand, after the valgrind manual's "Callgrind Format Specification".

use loadline_callgrind::{Function, Part, Parts, Profile};

/// Everything the format has: two events, a file that is inlined, names by number, positions of two
/// columns relative to each other, jumps, a call into another object, recursion.
const WHOLE: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 4711
cmd:  ./program --with arguments
part: 2
thread: 1

desc: I1 cache:
desc: Timerange: Basic block 10 - 20
desc: Trigger: Client Request: unload
positions: instr line
event: Ir : Instructions read
events: Ir Bc
summary: 1000 90

ob=(1) /bin/program
fl=(1) main.rs
fn=(1) main
0x401000 16 400 40
+3 +1 100
fi=(2) inlined.rs
+3 7 50 5
fe=(1)
* -4 0 0
cob=(2) /lib/libc.so.6
cfi=(3) free.c
cfn=(2) free
calls=50 0x7000 20
* * 400 40
jump=3 0x401000 16
0x401006 20
jcnd=2/5 +3 *
* *
jfi=(4) other.rs
jfn=(3) other
jump=1 0x402000 1
* *

ob=(2)
fl=(3)
fn=(2)
0x7000 20 400 40
cfn=(2)
calls=10 0 0
+4 +1 80 8

ob=(1)
fl=(4)
fn=(3)
0x402000 1 50 5
totals: 1000 90
";

fn parts(text: &str) -> Result<Vec<Part>, String> {
    Parts::of(text.as_bytes()).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn one(text: &str) -> Part {
    let mut parts = parts(text).unwrap();
    assert_eq!(parts.len(), 1);
    parts.remove(0)
}

/// `function own inclusive calls`, an asterisk for recursion, and the files where there are several.
fn table(profile: &Profile, event: usize) -> Vec<String> {
    let row = |cost: loadline_callgrind::Cost<'_>| {
        let star = if cost.is_recursive { "*" } else { "" };
        let files = match cost.files.as_slice() {
            [] | [_] => String::new(),
            files => format!(" {files:?}"),
        };
        format!("{} {} {}{star} {}{files}", cost.function, cost.own, cost.inclusive, cost.calls)
    };
    profile.costs(event).into_iter().map(row).collect()
}

#[test]
fn a_file_with_everything_is_read() {
    let part = one(WHOLE);
    assert_eq!((part.number, part.thread), (Some(2), Some(1)));
    assert_eq!(part.command.as_deref(), Some("./program --with arguments"));
    assert_eq!(part.phase(), Some("unload"));
    assert_eq!(part.stated, Some(vec![1000, 90]));
    assert_eq!(part.profile.events(), ["Ir", "Bc"]);
    assert_eq!(part.profile.totals(), [1000, 90]);
    assert!(part.is_whole());
    assert_eq!(
        table(&part.profile, 0),
        [
            r#"program: main 550 950 0 [("main.rs", 500), ("inlined.rs", 50)]"#,
            "libc.so.6: free 400 400* 60",
            "program: other 50 50 0",
        ]
    );
    assert_eq!(table(&part.profile, 1)[1], "libc.so.6: free 40 40* 60");
}

#[test]
fn the_smallest_file_of_the_manual_is_read() {
    let part = one("events: Cycles Instructions Flops\nfl=file.f\nfn=main\n15 90 14 2\n16 20 12\n");
    assert_eq!(part.profile.totals(), [110, 26, 2]);
    assert_eq!(part.profile.instructions(), None, "that event has another name here");
    assert_eq!(table(&part.profile, 2), ["???: main 2 2 0"]);
    assert_eq!((part.phase(), &part.stated), (None, &None));
}

/// The manual's example of subposition compression, and of calls within one file.
#[test]
fn the_calls_of_the_manual_are_read() {
    let text = "events: Instructions\n\nfl=file1.c\nfn=main\n16 400\ncfn=func1\ncalls=1 50\n16 400\n\
                cfi=file2.c\ncfn=func2\ncalls=3 20\n+1 400\n\nfn=func1\n51 100\ncfi=file2.c\n\
                cfn=func2\ncalls=2 20\n* 300\n\nfl=file2.c\nfn=func2\n-31 700\n";
    let part = one(text);
    assert_eq!(
        table(&part.profile, 0),
        ["???: func2 700 700 5", "???: main 400 1200 0", "???: func1 100 400 1"]
    );
    let path = part.profile.path_to(&Function::new("???", "func2"), 0);
    let path: Vec<(&str, u64, u64)> =
        path.iter().map(|step| (step.function.name.as_str(), step.calls, step.cost)).collect();
    assert_eq!(path, [("main", 3, 400)]);
}

/// As `--combine-dumps=yes` writes them: numbers of names may be given again, or reused.
#[test]
fn parts_of_one_file_are_told_apart() {
    let text = "version: 1\ncreator: x\npart: 1\ndesc: Trigger: Client Request: load\nevents: Ir\n\
                summary: 7\nob=(1) a.so\nfn=(1) f\n0 7\ntotals: 7\n\
                part: 2\ndesc: Trigger: Client Request: unload\nevents: Ir\nsummary: 5\n\
                ob=(1)\nfn=(1)\n0 2\nfn=(2) g\n0 3\n\n\
                part: 3\ndesc: Trigger: Program termination\nevents: Ir\n";
    let parts = parts(text).unwrap();
    let read: Vec<_> = parts
        .iter()
        .map(|part| (part.number, part.phase(), table(&part.profile, 0), part.is_whole()))
        .collect();
    let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        read,
        [
            (Some(1), Some("load"), rows(&["a.so: f 7 7 0"]), true),
            (Some(2), Some("unload"), rows(&["a.so: g 3 3 0", "a.so: f 2 2 0"]), true),
            (Some(3), None, rows(&[]), false),
        ]
    );
}

#[test]
fn an_empty_file_has_no_part() {
    for text in ["", "\n\n", "# callgrind format\n"] {
        assert_eq!(parts(text).unwrap().len(), 0);
    }
    assert_eq!(one("events: Ir").profile.totals(), [0]);
}

/// As callgrind 3.19 writes of some files that it inlined from.
#[test]
fn a_file_may_lack_its_name() {
    let part = one("events: Ir\nfl=(1) a.rs\nfn=(1) f\n0 7\nfi=(2)\n0 2\nfe=(1)\n0 1\n");
    assert_eq!(table(&part.profile, 0), [r#"???: f 10 10 0 [("a.rs", 8), ("???", 2)]"#]);
}

#[test]
fn names_need_not_be_text() {
    let text = b"events: Ir\nfn=(1) caf\xe9\r\n0 7\r\n";
    let part = Parts::of(text.as_slice()).next().unwrap().unwrap();
    assert_eq!(table(&part.profile, 0), ["???: caf\u{fffd} 7 7 0"]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let cases = [
        ("fn=f\n0 1", "line 2: has 1 costs where 0 events are counted"),
        ("events: Ir\n0 1", "line 2: has costs before any function"),
        ("events: Ir\nfn=f\n0 1 2", "line 3: has 2 costs where 1 events are counted"),
        ("events: Ir\nfn=f\n0 x", "line 3: \"x\" is not a number"),
        ("events: Ir\nfn=f\n0 -1", "line 3: \"-1\" is not a number"),
        ("events: Ir\nfn=f\n0 18446744073709551616", "line 3: a cost is larger than 2^64"),
        (
            "events: Ir\nfn=f\n0 18446744073709551615\nfn=g\n0 1",
            "line 5: a cost is larger than 2^64",
        ),
        (
            "events: Ir\nfn=f\ncfn=g\ncalls=18446744073709551615 0\n0 1\ncfn=g\ncalls=1 0\n0 1",
            "line 8: a cost is larger than 2^64",
        ),
        ("events: Ir\ntotals: 18446744073709551616", "line 2: a cost is larger than 2^64"),
        (
            "events: Ir\nfn=(7)",
            "line 2: no name was given to number 7 (is the beginning of the file missing?)",
        ),
        ("events: Ir\nfn=(7x) f", "line 2: \"(7x) f\" is not a name"),
        ("events: Ir\nfn=f\ncalls=1 0", "line 3: calls no function"),
        (
            "events: Ir\nfn=f\ncfn=g\ncalls=1 0",
            "line 4: has no next line with the place that it comes from",
        ),
        (
            "events: Ir\nfn=f\ncfn=g\ncalls=1 0\nfn=h",
            "line 5: has no next line with the place that it comes from",
        ),
        (
            "events: Ir\nfn=f\njump=1 0",
            "line 3: has no next line with the place that it comes from",
        ),
        ("events: Ir\nfn=f\ncalls=many 0", "line 3: \"many\" is not a number"),
        ("events: Ir\nfn=f\ncfn=g\ncalls=1 zero", "line 4: \"zero\" is not a number"),
        ("events: Ir\nfn=f\njcnd=1/x 0", "line 3: \"x\" is not a number"),
        ("events: Ir\npart: second", "line 2: \"second\" is not a number"),
        ("events: Ir\nfn=f\nwhat=1", "line 3: has no known form: \"what=1\""),
        ("events: Ir\nwhat is this", "line 2: has no known form: \"what is this\""),
        ("\u{7f}ELF", "line 1: has no known form: \"\\u{7f}ELF\""),
    ];
    for (text, expected) in cases {
        assert_eq!(parts(text).unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn a_line_without_an_end_is_not_kept() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let mut parts = Parts::of(endless);
    let error = parts.next().unwrap().unwrap_err().to_string();
    assert_eq!(error, "line 1: is longer than 1048576 bytes (is it a callgrind.out file?)");
    assert!(parts.next().is_none(), "after an error there is nothing more");
    let events = "Ir ".repeat(65);
    let error = self::parts(&format!("events: {events}")).unwrap_err();
    assert_eq!(error, "line 1: names more than 64 events");
}

mod damage {
    use std::io::{BufRead, BufReader, Read};

    use proptest::prelude::*;

    use super::*;

    /// Whatever it says, it ends, and what it has read can be looked at.
    fn read(input: impl BufRead) {
        for part in Parts::of(input).map_while(Result::ok) {
            let _ = (part.phase(), part.is_whole(), part.profile.instructions());
            for event in 0..3 {
                for cost in part.profile.costs(event) {
                    let _ = part.profile.path_to(cost.function, event);
                }
            }
            let mut sum = part.profile.clone();
            let _ = sum.add(&part.profile);
        }
    }

    proptest! {
        #[test]
        fn bytes_changed_at_random_never_panic(
            changes in prop::collection::vec((0..WHOLE.len(), any::<u8>()), 1..20),
        ) {
            let mut bytes = WHOLE.as_bytes().to_vec();
            changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
            read(bytes.as_slice());
        }

        #[test]
        fn lines_in_any_order_never_panic(
            order in prop::collection::vec(0..WHOLE.lines().count(), 0..80),
        ) {
            let lines: Vec<&str> = WHOLE.lines().collect();
            let text: String = order.into_iter().map(|line| format!("{}\n", lines[line])).collect();
            read(text.as_bytes());
        }

        #[test]
        fn numbers_of_any_size_never_panic(
            changes in prop::collection::vec((0..200_usize, any::<u64>()), 1..20),
        ) {
            let mut words: Vec<String> =
                WHOLE.split_inclusive([' ', '\n', '=']).map(str::to_owned).collect();
            for (at, number) in changes {
                let at = at % words.len();
                let end: String = words[at].chars().filter(|c| " \n=".contains(*c)).collect();
                words[at] = format!("{number}{end}");
            }
            read(words.concat().as_bytes());
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
            read(noise.as_slice());
        }

        /// A file that was cut off is an error or is seen not to be whole, unless only the last
        /// line's end is missing.
        #[test]
        fn a_file_cut_off_is_never_whole(length in 0..WHOLE.len() - "totals: 1000 90\n".len()) {
            let parts: Result<Vec<Part>, _> =
                Parts::of(BufReader::new(WHOLE.as_bytes().take(length as u64))).collect();
            let looks_whole = parts.is_ok_and(|parts| parts.iter().any(Part::is_whole));
            // All costs are there before the last line is.
            let last_cost = WHOLE.find("50 5\ntotals").unwrap() + "50 5".len();
            prop_assert!(!looks_whole || length >= last_cost);
        }
    }
}
