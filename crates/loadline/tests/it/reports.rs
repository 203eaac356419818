//! What is printed and judged of saved sessions and of other numbers. Nothing is measured.

mod brief;
mod browser;
mod cli;
mod diff;
mod formats;
mod golden;
mod history;
mod judge;
mod judge_files;
mod judge_pairs;
mod old_words;
mod verdicts;
