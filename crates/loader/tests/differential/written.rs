//! Modules and a component for what the generated modules lack.

/// The names and texts.
pub const WRITTEN: [(&str, &str); 12] = [
    ("empty", "(module)"),
    ("data only", r#"(module (memory (export "memory") 1) (data (i32.const 8) "data"))"#),
    (
        "deep trap",
        r#"(module (func $down (export "down") (param i32) (result i32)
             (if (i32.eqz (local.get 0)) (then unreachable))
             (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))))"#,
    ),
    ("stack overflow", r#"(module (func $f (export "f") (call $f)))"#),
    (
        "start and globals",
        r#"(module (global $g (export "g") (mut i64) (i64.const 1)) (memory (export "memory") 1)
             (func $start (global.set $g (i64.const 77)) (i32.store (i32.const 4) (i32.const 9)))
             (start $start) (func (export "get") (result i64) (global.get $g)))"#,
    ),
    ("trap at start", "(module (func $start unreachable) (start $start))"),
    (
        "host error",
        r#"(module (import "host" "note" (func $note (param i32) (result i32)))
             (func $inner (param i32) (result i32) (call $note (local.get 0)))
             (func (export "fails") (result i32) (call $inner (i32.const 13)))
             (func (export "works") (result i32) (call $inner (i32.const 4))))"#,
    ),
    (
        "SIMD",
        r#"(module (memory (export "memory") 1) (func (export "f") (param i32) (result i64)
             (v128.store (i32.const 16) (i8x16.add_sat_s (i8x16.splat (local.get 0))
               (v128.const i32x4 1 2 3 0x7f7f7f7f)))
             (i64x2.extract_lane 1 (i32x4.relaxed_trunc_f32x4_s (f32x4.convert_i32x4_s
               (v128.load (i32.const 16)))))))"#,
    ),
    (
        "memory64",
        r#"(module (memory (export "memory") i64 1 3) (func (export "f") (param i64) (result i64)
             (i64.store (i64.and (local.get 0) (i64.const 0xfff8)) (local.get 0))
             (drop (memory.grow (i64.const 1))) (i64.load (i64.shl (local.get 0) (i64.const 3)))))"#,
    ),
    (
        "tail calls and several results",
        r#"(module (func $sum (export "sum") (param i32 i64) (result i64 i32)
             (if (i32.eqz (local.get 0)) (then (return (local.get 1) (i32.const 5))))
             (return_call $sum (i32.shr_u (local.get 0) (i32.const 1))
               (i64.add (local.get 1) (i64.extend_i32_u (local.get 0))))))"#,
    ),
    (
        "several memories and tables",
        r#"(module (memory $a (export "memory") 1) (memory $b 1 2) (table $t 4 externref)
             (func (export "f") (param i32) (result i32)
               (i32.store $b (i32.const 0) (local.get 0))
               (memory.copy $a $b (i32.const 3) (i32.const 0) (i32.const 4))
               (table.set $t (i32.const 2) (ref.null extern))
               (i32.add (i32.load $a (i32.const 3)) (table.size $t)))
             (func (export "out") (table.set $t (i32.const 4) (ref.null extern))))"#,
    ),
    (
        "component",
        r#"(component
             (core module $one (func (export "double") (param i32) (result i32)
               (i32.shl (local.get 0) (i32.const 1))))
             (core module $two (import "one" "double" (func $double (param i32) (result i32)))
               (func (export "run") (param i32) (result i32)
                 (if (i32.gt_u (local.get 0) (i32.const 1000)) (then unreachable))
                 (i32.add (call $double (local.get 0)) (i32.const 1))))
             (core instance $one (instantiate $one))
             (core instance $two (instantiate $two (with "one" (instance $one))))
             (func (export "run") (param "n" u32) (result u32)
               (canon lift (core func $two "run"))))"#,
    ),
];

/// Returns the text of a module with 60 KB of data.
pub fn much_data() -> String {
    let data = "\\01\\02\\03".repeat(20_000);
    format!(
        r#"(module (memory (export "memory") 1) (data (i32.const 100) "{data}")
             (func (export "f") (param i32) (result i32)
               (i32.load8_u (i32.and (local.get 0) (i32.const 0xffff)))))"#
    )
}
