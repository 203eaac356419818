//! The public API of the crates that embedders depend on, as a list that is committed: what changes
//! in it is seen in review, and asks for a version.
//!
//! The list is made from the sources: what can be named from outside, its signatures, fields and
//! variants, the traits it has. `UPDATE_API=1 cargo test -p loadline --test it api` writes it again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, Field, Fields, ImplItem, Item, TraitItem, Type, UseTree, Visibility};

#[test]
fn the_public_api_of_the_loader_is_as_committed() {
    check("loader");
}

#[test]
fn the_public_api_of_the_probe_is_as_committed() {
    check("probe");
}

#[test]
fn the_public_api_of_the_harness_is_as_committed() {
    check("harness");
}

/// Compares a crate's API with the list next to its manifest, whose first line names the version that
/// it is the API of.
fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates").join(name);
    let version = env!("CARGO_PKG_VERSION");
    let api = Crate::read(&folder.join("src/lib.rs")).api();
    let text: String = api.iter().map(|line| format!("{line}\n")).collect();
    let path = folder.join("api.txt");
    if std::env::var_os("UPDATE_API").is_some() {
        fs::write(&path, format!("# loadline-{name} {version}\n{text}")).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let (head, lines) = committed.split_once('\n').unwrap_or_default();
    let committed: BTreeSet<String> = lines.lines().map(str::to_owned).collect();
    let (gone, new) = (&committed - &api, &api - &committed);
    let next = next_version(version, !gone.is_empty());
    assert!(
        gone.is_empty() && new.is_empty(),
        "the API of loadline-{name} is not that of {head:?} in crates/{name}/api.txt: gone or changed \
         {gone:#?}, new {new:#?}. If that is meant, the next release is {next}; write the list again \
         by UPDATE_API=1 cargo test -p loadline --test it api"
    );
}

/// Before 1.0 what breaks raises the second number, what is added the third (Cargo's reading of
/// semantic versions).
fn next_version(version: &str, breaks: bool) -> String {
    let numbers: Vec<u64> = version.split('.').map(|number| number.parse().unwrap()).collect();
    match (numbers[0], breaks) {
        (0, true) => format!("0.{}.0", numbers[1] + 1),
        (0, false) => format!("0.{}.{}", numbers[1], numbers[2] + 1),
        (major, true) => format!("{}.0.0", major + 1),
        (major, false) => format!("{major}.{}.0", numbers[1] + 1),
    }
}

#[test]
fn what_breaks_asks_for_more_than_what_is_added() {
    assert_eq!(next_version("0.1.3", true), "0.2.0");
    assert_eq!(next_version("0.1.3", false), "0.1.4");
    assert_eq!(next_version("1.4.3", true), "2.0.0");
    assert_eq!(next_version("1.4.3", false), "1.5.0");
}

/// The modules of a crate, each by its path from the root.
struct Crate {
    modules: Vec<(Vec<String>, Vec<Item>)>,
}

impl Crate {
    fn read(root: &Path) -> Crate {
        let mut found = Crate { modules: Vec::new() };
        let items = parse(root);
        found.add(Vec::new(), root.parent().unwrap(), items);
        found
    }

    /// Adds a module whose submodules lie in `folder`.
    fn add(&mut self, path: Vec<String>, folder: &Path, items: Vec<Item>) {
        for item in &items {
            let Item::Mod(module) = item else { continue };
            if is_test(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let inner: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
            let items = match &module.content {
                Some((_, items)) => items.clone(),
                None => {
                    let named = named_file(&module.attrs);
                    let named = named.map(|file| folder.join(file)).into_iter();
                    let files =
                        [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
                    let file: Option<PathBuf> = named.chain(files).find(|file| file.exists());
                    parse(&file.unwrap_or_else(|| panic!("no file of module {name}")))
                }
            };
            self.add(inner, &folder.join(&name), items);
        }
        self.modules.push((path, items));
    }

    fn items(&self, path: &[String]) -> &[Item] {
        let found = self.modules.iter().find(|(other, _)| other == path);
        found.map_or(&[], |(_, items)| items)
    }

    /// One line for each thing that can be named from outside.
    fn api(&self) -> BTreeSet<String> {
        let mut api = BTreeSet::new();
        let mut types = BTreeSet::new();
        self.list(&[], "", &mut api, &mut types);
        for item in self.modules.iter().flat_map(|(_, items)| items) {
            let Item::Impl(block) = item else { continue };
            let Type::Path(of) = &*block.self_ty else { continue };
            let Some(name) = of.path.segments.last().map(|last| last.ident.to_string()) else {
                continue;
            };
            if is_test(&block.attrs) || !types.contains(&name) {
                continue;
            }
            let cfg = cfg(&block.attrs);
            if let Some((of_trait, _)) = &block.trait_ {
                let generics = text(&block.generics);
                let (of_trait, of) = (text(of_trait), text(&block.self_ty));
                api.insert(tidy(&format!("{name}: {cfg}impl{generics} {of_trait} for {of}")));
                continue;
            }
            for item in &block.items {
                let (cfg_of_item, line) = match item {
                    ImplItem::Fn(item) if is_public(&item.vis) => (&item.attrs, text(&item.sig)),
                    ImplItem::Const(item) if is_public(&item.vis) => {
                        (&item.attrs, format!("const {}: {}", item.ident, text(&item.ty)))
                    }
                    _ => continue,
                };
                let cfg_of_item = self::cfg(cfg_of_item);
                api.insert(tidy(&format!("{name}: {cfg}{cfg_of_item}{line}")));
            }
        }
        api
    }

    /// Lists the public items of a module under `shown`, the path they have from outside.
    fn list(
        &self,
        path: &[String],
        shown: &str,
        api: &mut BTreeSet<String>,
        types: &mut BTreeSet<String>,
    ) {
        for item in self.items(path) {
            match item {
                Item::Mod(module) if is_public(&module.vis) => {
                    let name = module.ident.to_string();
                    let inner: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
                    let shown = format!("{shown}{name}::");
                    api.insert(tidy(&format!("{}mod {shown}", cfg(&module.attrs))));
                    self.list(&inner, &shown, api, types);
                }
                Item::Use(item) if is_public(&item.vis) => {
                    let mut names = Vec::new();
                    flatten(&item.tree, &mut Vec::new(), &mut names);
                    for name in names {
                        self.reexport(path, shown, &cfg(&item.attrs), &name, api, types);
                    }
                }
                item => declare(item, shown, "", api, types),
            }
        }
    }

    fn reexport(
        &self,
        path: &[String],
        shown: &str,
        cfg: &str,
        name: &[String],
        api: &mut BTreeSet<String>,
        types: &mut BTreeSet<String>,
    ) {
        let (last, before) = name.split_last().unwrap();
        let module: Vec<String> = match before.first().map(String::as_str) {
            Some("crate") => before[1..].to_vec(),
            Some("self") => path.iter().chain(&before[1..]).cloned().collect(),
            _ => path.iter().cloned().chain(before.iter().cloned()).collect(),
        };
        let mut found = false;
        for item in self.items(&module) {
            match item {
                Item::Mod(inner) if inner.ident == *last => {
                    let shown = format!("{shown}{last}::");
                    api.insert(tidy(&format!("{cfg}mod {shown}")));
                    let inner: Vec<String> = module.iter().chain([last]).cloned().collect();
                    self.list(&inner, &shown, api, types);
                    found = true;
                }
                Item::Use(item) if module != path => {
                    let mut names = Vec::new();
                    flatten(&item.tree, &mut Vec::new(), &mut names);
                    for name in names.iter().filter(|name| name.last() == Some(last)) {
                        self.reexport(&module, shown, cfg, name, api, types);
                        found = true;
                    }
                }
                item if name_of(item).is_some_and(|name| name == *last) => {
                    declare(item, shown, cfg, api, types);
                    found = true;
                }
                _ => {}
            }
        }
        // Another crate's.
        if !found {
            api.insert(tidy(&format!("{cfg}use {shown}{}", name.join("::"))));
            types.insert(last.clone());
        }
    }
}

fn parse(path: &Path) -> Vec<Item> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}")).items
}

fn flatten(tree: &UseTree, before: &mut Vec<String>, names: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, names);
            before.pop();
        }
        UseTree::Name(name) => {
            names.push(before.iter().cloned().chain([name.ident.to_string()]).collect());
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, before, names));
        }
        UseTree::Rename(_) | UseTree::Glob(_) => panic!("name what is handed on: {}", text(tree)),
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

/// Adds the lines of one item, and its name where it is a type.
fn declare(
    item: &Item,
    shown: &str,
    cfg_of_use: &str,
    api: &mut BTreeSet<String>,
    types: &mut BTreeSet<String>,
) {
    let mut add = |attributes: &[Attribute], line: String| {
        api.insert(tidy(&format!("{cfg_of_use}{}{line}", cfg(attributes))));
    };
    match item {
        Item::Const(item) if is_public(&item.vis) => {
            add(&item.attrs, format!("const {shown}{}: {}", item.ident, text(&item.ty)));
        }
        Item::Static(item) if is_public(&item.vis) => {
            add(&item.attrs, format!("static {shown}{}: {}", item.ident, text(&item.ty)));
        }
        Item::Fn(item) if is_public(&item.vis) => {
            add(&item.attrs, shown_function(&item.sig, shown));
        }
        Item::Type(item) if is_public(&item.vis) => {
            let generics = text(&item.generics);
            add(&item.attrs, format!("type {shown}{}{generics} = {}", item.ident, text(&item.ty)));
        }
        Item::Struct(item) if is_public(&item.vis) => {
            let name = item.ident.to_string();
            let generics = text(&item.generics);
            add(&item.attrs, format!("{}struct {shown}{name}{generics}", marks(&item.attrs)));
            let fields = item.fields.iter().enumerate();
            for (index, field) in fields.filter(|(_, field)| is_public(&field.vis)) {
                add(&field.attrs, format!("{name}: {}", shown_field(index, field)));
            }
            types.insert(name);
        }
        Item::Enum(item) if is_public(&item.vis) => {
            let name = item.ident.to_string();
            let line = format!("{}enum {shown}{name}{}", marks(&item.attrs), text(&item.generics));
            add(&item.attrs, line);
            for variant in &item.variants {
                let fields = shown_fields(&variant.fields);
                add(&variant.attrs, format!("{name}: variant {}{fields}", variant.ident));
            }
            types.insert(name);
        }
        Item::Trait(item) if is_public(&item.vis) => {
            let name = item.ident.to_string();
            let line = format!("trait {shown}{name}{}", text(&item.generics));
            let above = text(&item.supertraits);
            add(&item.attrs, if above.is_empty() { line } else { format!("{line}: {above}") });
            for item in &item.items {
                let TraitItem::Fn(item) = item else { continue };
                let provided = if item.default.is_some() { "provided " } else { "" };
                add(&item.attrs, format!("{name}: {provided}{}", text(&item.sig)));
            }
            types.insert(name);
        }
        _ => {}
    }
}

/// The signature of a function below `shown`.
fn shown_function(signature: &syn::Signature, shown: &str) -> String {
    let name = &signature.ident;
    text(signature).replacen(&format!("fn {name}"), &format!("fn {shown}{name}"), 1)
}

fn shown_field(index: usize, field: &Field) -> String {
    let name = field.ident.as_ref().map_or(index.to_string(), |name| name.to_string());
    format!("field {name}: {}", text(&field.ty))
}

fn shown_fields(fields: &Fields) -> String {
    let shown: Vec<String> =
        fields.iter().enumerate().map(|(index, field)| shown_field(index, field)).collect();
    if shown.is_empty() { String::new() } else { format!(" {{ {} }}", shown.join(", ")) }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_test(attributes: &[Attribute]) -> bool {
    let cfg = cfg(attributes);
    cfg.contains("test") && !cfg.contains("not")
}

/// What `#[path = "…"]` names, from the folder of the file that it stands in.
fn named_file(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let value = &attribute.meta.require_name_value().ok()?.value;
    Some(text(value).trim_matches('"').to_owned())
}

fn of_name(attributes: &[Attribute], name: &str) -> String {
    let own = attributes.iter().filter(|attribute| attribute.path().is_ident(name));
    own.map(|attribute| format!("{} ", text(attribute))).collect()
}

/// The conditions under which an item is there.
fn cfg(attributes: &[Attribute]) -> String {
    of_name(attributes, "cfg")
}

/// What else of an item's attributes its users depend on.
fn marks(attributes: &[Attribute]) -> String {
    of_name(attributes, "non_exhaustive") + &of_name(attributes, "derive")
}

fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// Takes out the spaces that tokens are printed with.
fn tidy(line: &str) -> String {
    let pairs = [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" <", "<"),
        (" > ", "> "),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" ;", ";"),
        (" :", ":"),
        ("( ", "("),
        (" (", "("),
        (" )", ")"),
        ("[ ", "["),
        (" [", "["),
        (" ]", "]"),
        ("# [", "#["),
        ("' ", "'"),
        (",)", ")"),
        ("  ", " "),
    ];
    let mut line = line.trim().to_owned();
    for (from, to) in pairs {
        while line.contains(from) {
            line = line.replace(from, to);
        }
    }
    line
}
