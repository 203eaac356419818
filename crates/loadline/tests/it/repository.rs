//! The repository itself: its layers, pages, workflows and public interfaces.

mod action;
mod api;
mod command_line;
mod guide;
mod layers;
mod linters;
mod pages;
mod published;
mod subjects;
mod tree;
mod workflows;
