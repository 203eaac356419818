//! A program whose cost depends on N: it loads N plugins and unloads them again, the oldest first.
//!
//! `cargo run -p loadline-harness --example host` prints how each phase scales. With
//! `-- 64..=4096 list` the plugins are held in a list, whose first element is expensive to remove.

use std::collections::VecDeque;
use std::env;

/// A plugin that is loaded: its name and what it needs in memory.
struct Plugin {
    name: String,
    memory: Vec<u8>,
}

fn load(number: usize) -> Plugin {
    Plugin { name: format!("plugin-{number}"), memory: vec![1; 1024] }
}

fn main() {
    let is_list = env::args().nth(2).as_deref() == Some("list");
    loadline_harness::run(|n, phases| {
        let mut list: Vec<Plugin> = Vec::new();
        let mut queue: VecDeque<Plugin> = VecDeque::new();
        phases.measure("load", || {
            (0..n).map(load).for_each(|plugin| match is_list {
                true => list.push(plugin),
                false => queue.push_back(plugin),
            });
            println!("loadline:metric=plugins:{n}:count");
        });
        let mut n_moved = 0;
        let mut bytes = 0;
        phases.measure("unload", || {
            while let Some(plugin) = oldest(&mut list, &mut queue) {
                n_moved += 1 + list.len();
                bytes += plugin.name.len() + plugin.memory.len();
            }
            println!("loadline:metric=moves:{n_moved}:count");
        });
        assert!(bytes >= 1024 * n, "every plugin had its memory");
        println!("loadline:check={n}");
    });
}

fn oldest(list: &mut Vec<Plugin>, queue: &mut VecDeque<Plugin>) -> Option<Plugin> {
    if list.is_empty() { queue.pop_front() } else { Some(list.remove(0)) }
}
