//! Generates modules as text, from a seed. Every call ends: each function and each turn of a loop takes one of
//! the steps in a global, and the module traps when none is left.

use fastrand::Rng;

const TYPES: [&str; 4] = ["i32", "i64", "f32", "f64"];
const LOCALS: usize = 3;

/// Generates the text of a module with up to nine exported functions.
pub fn module(seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let n_functions = random.usize(3..10);
    let types: Vec<(Vec<usize>, usize)> = (0..n_functions)
        .map(|_| ((0..random.usize(..4)).map(|_| random.usize(..4)).collect(), random.usize(..4)))
        .collect();
    let mut text = String::from(
        r#"(module (import "host" "note" (func $note (param i32) (result i32)))
           (memory (export "memory") 1 4) (global $steps (export "steps") (mut i32) (i32.const 500))
           (global $g0 (export "g0") (mut i32) (i32.const 7))
           (global $g1 (export "g1") (mut i64) (i64.const -9))
           (global $g2 (export "g2") (mut f32) (f32.const 0.5))
           (global $g3 (export "g3") (mut f64) (f64.const -2.5))
           (func $step
             (global.set $steps (i32.sub (global.get $steps) (i32.const 1)))
             (if (i32.lt_s (global.get $steps) (i32.const 0)) (then unreachable)))"#,
    );
    for (number, (parameters, result)) in types.iter().enumerate() {
        let parameters: String = parameters.iter().map(|ty| format!(" {}", TYPES[*ty])).collect();
        let result = TYPES[*result];
        text += &format!("(type $t{number} (func (param{parameters}) (result {result})))");
    }
    for (number, own) in types.iter().enumerate() {
        let mut function = Function { random: &mut random, types: &types, number, n_labels: 0 };
        text += &function.text(own);
    }
    let elements: String = (0..n_functions).map(|number| format!(" $f{number}")).collect();
    // The last elements of the table are null.
    text += &format!("(table {} funcref) (elem (i32.const 0){elements})", n_functions + 3);
    let data: String =
        (0..random.usize(..300)).map(|_| format!("\\{:02x}", random.u8(..))).collect();
    text + &format!("(data (i32.const {}) \"{data}\") (data $d \"passive\"))", random.u32(..60_000))
}

struct Function<'a> {
    random: &'a mut Rng,
    types: &'a [(Vec<usize>, usize)],
    number: usize,
    n_labels: usize,
}

impl Function<'_> {
    fn text(&mut self, (_, result): &(Vec<usize>, usize)) -> String {
        let number = self.number;
        let n_parameters = self.types[number].0.len();
        // The locals of each type have names of their own, so that any of them can be used.
        let locals: String = (0..4)
            .flat_map(|ty| (0..LOCALS).map(move |n| format!("(local $l{ty}{n} {})", TYPES[ty])))
            .collect();
        let parameters = (0..n_parameters).map(|n| {
            let ty = self.types[number].0[n];
            format!("(local.set $l{ty}{} (local.get {n}))", n % LOCALS)
        });
        let parameters: String = parameters.collect();
        let statements: String = (0..self.random.usize(1..7)).map(|_| self.statement(3)).collect();
        let value = self.value(*result, 4);
        format!(
            "(func $f{number} (export \"f{number}\") (type $t{number}) {locals}
               (local $turns i32) (call $step) {parameters} {statements} {value})"
        )
    }

    fn statement(&mut self, depth: usize) -> String {
        let ty = self.random.usize(..4);
        let n = self.random.usize(..LOCALS);
        if depth == 0 {
            return format!("(local.set $l{ty}{n} {})", self.value(ty, 1));
        }
        let inner = depth - 1;
        match self.random.u8(..12) {
            0..3 => format!("(local.set $l{ty}{n} {})", self.value(ty, depth)),
            3 => format!("(global.set $g{ty} {})", self.value(ty, depth)),
            4 | 5 => {
                let (at, value) = (self.address(), self.value(ty, depth));
                format!("({}.store {at} {value})", TYPES[ty])
            }
            6 => {
                let condition = self.value(0, depth);
                let (yes, no) = (self.statement(inner), self.statement(inner));
                format!("(if {condition} (then {yes}) (else {no}))")
            }
            7 | 8 => self.repeat(inner),
            9 => format!("(drop {})", self.call(inner)),
            10 => self.bulk(),
            _ => self.switch(inner),
        }
    }

    fn repeat(&mut self, inner: usize) -> String {
        self.n_labels += 1;
        let (label, turns) = (self.n_labels, self.random.u8(1..6));
        let body = self.statement(inner);
        format!(
            "(local.set $turns (i32.const {turns}))
             (loop $r{label} (call $step) {body}
               (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
               (br_if $r{label} (i32.gt_s (local.get $turns) (i32.const 0))))"
        )
    }

    fn switch(&mut self, inner: usize) -> String {
        self.n_labels += 1;
        let (label, index) = (self.n_labels, self.value(0, inner));
        let (one, other) = (self.statement(inner), self.statement(inner));
        format!(
            "(block $a{label} (block $b{label} (br_table $a{label} $b{label} $a{label} {index}))
               {one} (br_if $a{label} (local.get $l00)) {other})"
        )
    }

    fn bulk(&mut self) -> String {
        let (to, from) = (self.address(), self.address());
        match self.random.u8(..3) {
            0 => format!("(memory.fill {to} (i32.const 3) (i32.const 40))"),
            1 => format!("(memory.copy {to} {from} (i32.const 60))"),
            _ => {
                format!("(memory.init $d {to} (i32.const 1) (i32.const {}))", self.random.u8(4..8))
            }
        }
    }

    /// Returns an address that is nearly always within the memory.
    fn address(&mut self) -> String {
        let mask = if self.random.u8(..30) == 0 { 0x1ffff } else { 0x7ff8 };
        format!("(i32.and {} (i32.const {mask}))", self.value(0, 1))
    }

    fn value(&mut self, ty: usize, depth: usize) -> String {
        let name = TYPES[ty];
        if depth == 0 || self.random.u8(..6) == 0 {
            return self.leaf(ty);
        }
        let inner = depth - 1;
        match self.random.u8(..12) {
            0..5 => self.operator(ty, inner),
            5 => {
                let (one, other, condition) =
                    (self.value(ty, inner), self.value(ty, inner), self.value(0, inner));
                format!("(select {one} {other} {condition})")
            }
            6 => {
                let (condition, yes, no) =
                    (self.value(0, inner), self.value(ty, inner), self.value(ty, inner));
                format!("(if (result {name}) {condition} (then {yes}) (else {no}))")
            }
            7 => format!("({name}.load {})", self.address()),
            8 => format!("(local.tee $l{ty}{} {})", inner % LOCALS, self.value(ty, inner)),
            9 => self.conversion(ty, inner),
            10 if ty == 0 => match self.random.u8(..4) {
                0 => "(memory.grow (i32.const 1))".to_owned(),
                1 => format!("(call $note {})", self.value(0, inner)),
                _ => self.comparison(inner),
            },
            _ => self.call_with_result(ty, inner),
        }
    }

    fn leaf(&mut self, ty: usize) -> String {
        let name = TYPES[ty];
        match self.random.u8(..4) {
            0 => format!("(local.get $l{ty}{})", self.random.usize(..LOCALS)),
            1 => format!("(global.get $g{ty})"),
            _ if ty == 0 => format!("(i32.const {})", self.random.i32(..) >> self.random.u32(..32)),
            _ if ty == 1 => format!("(i64.const {})", self.random.i64(..) >> self.random.u32(..64)),
            _ => {
                let numbers =
                    ["0", "-0", "1", "-1.5", "nan", "inf", "-inf", "1e30", "-3e9", "0x1p-126"];
                format!("({name}.const {})", numbers[self.random.usize(..numbers.len())])
            }
        }
    }

    fn operator(&mut self, ty: usize, inner: usize) -> String {
        let (of_integers, of_floats) = (
            "add sub mul add sub mul div_s rem_u and or xor and or xor shl shr_s shr_u rotl rotr",
            "add sub mul div min max copysign",
        );
        let (unary_integers, unary_floats) =
            ("clz ctz popcnt extend8_s extend16_s", "abs neg ceil floor trunc nearest sqrt");
        let name = TYPES[ty];
        if self.random.u8(..4) == 0 {
            let operator = self.pick(if ty < 2 { unary_integers } else { unary_floats });
            return format!("({name}.{operator} {})", self.value(ty, inner));
        }
        let operator = self.pick(if ty < 2 { of_integers } else { of_floats });
        let (one, other) = (self.value(ty, inner), self.value(ty, inner));
        format!("({name}.{operator} {one} {other})")
    }

    fn comparison(&mut self, inner: usize) -> String {
        let ty = self.random.usize(..4);
        let operator =
            self.pick(if ty < 2 { "eq ne lt_s lt_u ge_s gt_u" } else { "eq ne lt gt le ge" });
        let (one, other) = (self.value(ty, inner), self.value(ty, inner));
        format!("({}.{operator} {one} {other})", TYPES[ty])
    }

    fn conversion(&mut self, ty: usize, inner: usize) -> String {
        let operator = self.pick(match ty {
            0 => "i32.wrap_i64 i32.trunc_f32_s i32.trunc_sat_f64_u i32.trunc_sat_f32_s i32.reinterpret_f32",
            1 => "i64.extend_i32_s i64.extend_i32_u i64.trunc_sat_f64_s i64.reinterpret_f64",
            2 => "f32.convert_i32_s f32.convert_i64_u f32.demote_f64 f32.reinterpret_i32",
            _ => "f64.convert_i64_s f64.convert_i32_u f64.promote_f32 f64.reinterpret_i64",
        });
        let from = TYPES.iter().position(|name| operator[4..].contains(name));
        format!("({operator} {})", self.value(from.expect("its name says so"), inner))
    }

    fn call_with_result(&mut self, ty: usize, inner: usize) -> String {
        let fitting: Vec<usize> =
            (0..self.number).filter(|number| self.types[*number].1 == ty).collect();
        match self.random.choice(fitting) {
            Some(number) => self.call_of(number, inner),
            None => self.leaf(ty),
        }
    }

    fn call(&mut self, inner: usize) -> String {
        match self.number {
            0 => self.leaf(0),
            own => {
                let number = self.random.usize(..own);
                self.call_of(number, inner)
            }
        }
    }

    fn call_of(&mut self, number: usize, inner: usize) -> String {
        let types = self.types;
        let arguments: String =
            types[number].0.iter().map(|ty| self.value(*ty, inner.min(1))).collect();
        if self.random.u8(..4) == 0 {
            let last = if self.random.u8(..10) == 0 { types.len() + 4 } else { number };
            return format!("(call_indirect (type $t{number}) {arguments} (i32.const {last}))");
        }
        format!("(call $f{number} {arguments})")
    }

    fn pick<'a>(&mut self, names: &'a str) -> &'a str {
        let names: Vec<&str> = names.split(' ').collect();
        names[self.random.usize(..names.len())]
    }
}
