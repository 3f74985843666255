//! Owns the reading of imports: for each file of a crate, the files from which it imports. An import of a re-exported
//! item counts as an import from the file that declares the item.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{Visit, visit_item_mod, visit_path};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module by its path from the root of the crate: `["search", "step", "curve"]`.
pub(super) type Module = Vec<String>;

/// A crate's files by module, each with the modules that it imports from.
pub(super) type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// The imports and declarations of one file.
#[derive(Default)]
struct File {
    /// Re-exported names, each with the path that it comes from.
    passes_on: BTreeMap<String, Vec<String>>,
    /// Used paths, from the root of the crate.
    uses: BTreeSet<Vec<String>>,
    /// Modules that exist in tests only, each in its own file.
    tests: BTreeSet<String>,
    /// Whether the file contains more than module declarations and imports.
    has_code: bool,
}

/// The imports between the files of a crate. `sources` holds (module, text); the root is `[]`.
///
/// Tests inside a file do not count. A file that only declares modules and re-exports does not count either: an
/// import through it is an import from the file that declares the item.
pub(super) fn graph(sources: &[(Module, String)]) -> Graph {
    let files: BTreeMap<&Module, File> = sources.iter().map(|(module, text)| (module, read(module, text))).collect();
    let tests: BTreeSet<Module> = files
        .iter()
        .flat_map(|(module, file)| file.tests.iter().map(|name| [&module[..], std::slice::from_ref(name)].concat()))
        .collect();
    let mut graph = Graph::new();
    for (module, file) in &files {
        if !file.has_code || tests.contains(*module) {
            continue;
        }
        let found = file.uses.iter().filter_map(|path| declared_in(&files, path, 0));
        graph.insert((*module).clone(), found.filter(|found| found != *module).collect());
    }
    graph
}

/// The file that declares the item at `path`.
fn declared_in(files: &BTreeMap<&Module, File>, path: &[String], depth: usize) -> Option<Module> {
    let known = (1..=path.len()).rev().find(|length| files.contains_key(&path[..*length].to_vec()))?;
    let module = path[..known].to_vec();
    let file = &files[&module];
    match path.get(known).and_then(|name| file.passes_on.get(name)) {
        Some(from) if depth < 8 => declared_in(files, from, depth + 1),
        _ => file.has_code.then_some(module),
    }
}

fn read(module: &Module, text: &str) -> File {
    let parsed = syn::parse_file(text).unwrap_or_else(|why| panic!("{module:?} is not valid Rust: {why}"));
    let mut file = File::default();
    for item in &parsed.items {
        match item {
            Item::Use(item) => {
                let mut found = Vec::new();
                flatten(&item.tree, &mut Vec::new(), &mut found);
                let shown = !matches!(item.vis, Visibility::Inherited);
                for (name, path) in found {
                    let Some(path) = from_root(module, &path) else { continue };
                    if shown {
                        file.passes_on.insert(name, path);
                    } else {
                        file.uses.insert(path);
                    }
                }
            }
            Item::Mod(item) if item.content.is_none() => {
                if is_test(&item.attrs) {
                    file.tests.insert(item.ident.to_string());
                }
            }
            item => file.has_code |= !matches!(item, Item::Mod(item) if is_test(&item.attrs)),
        }
    }
    let mut inner = Inner { module, uses: &mut file.uses };
    inner.visit_file(&parsed);
    file
}

pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
    })
}

/// Splits `{a, b as c}` into its names, each with the path that it stands for.
fn flatten(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), with(before, &name.ident))),
        UseTree::Rename(name) => found.push((name.rename.to_string(), with(before, &name.ident))),
        UseTree::Glob(_) => found.push(("*".to_owned(), before.clone())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, found)),
    }
}

fn with(before: &[String], last: &syn::Ident) -> Vec<String> {
    let last = last.to_string();
    if last == "self" { before.to_vec() } else { [before, &[last]].concat() }
}

/// A path written in `module`, from the root of the crate; `None` if it leads to another crate.
fn from_root(module: &Module, path: &[String]) -> Option<Vec<String>> {
    let first = path.first()?;
    match first.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([&module[..], &path[1..]].concat()),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            let above = module.len().checked_sub(up)?;
            Some([&module[..above], &path[up..]].concat())
        }
        // A child module named without `self`, or another crate; other crates are not among the files.
        _ => Some([&module[..], path].concat()),
    }
}

/// Paths and imports inside functions.
struct Inner<'a> {
    module: &'a Module,
    uses: &'a mut BTreeSet<Vec<String>>,
}

impl<'text> Visit<'text> for Inner<'_> {
    fn visit_item_mod(&mut self, item: &'text syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit_item_mod(self, item);
        }
    }

    fn visit_path(&mut self, path: &'text syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if parts.len() > 1 {
            self.uses.extend(from_root(self.module, &parts));
        }
        visit_path(self, path);
    }

    /// `pub(in crate::cli)` imports nothing.
    fn visit_visibility(&mut self, _: &'text Visibility) {}

    fn visit_stmt(&mut self, statement: &'text syn::Stmt) {
        if let syn::Stmt::Item(Item::Use(item)) = statement {
            let mut found = Vec::new();
            flatten(&item.tree, &mut Vec::new(), &mut found);
            self.uses.extend(found.iter().filter_map(|(_, path)| from_root(self.module, path)));
        }
        syn::visit::visit_stmt(self, statement);
    }
}

/// The circles of `graph`: groups of files that all reach each other, by Tarjan's algorithm.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut search = Search { graph, found: BTreeMap::new(), stack: Vec::new(), circles: Vec::new() };
    for module in graph.keys() {
        if !search.found.contains_key(module) {
            search.visit(module);
        }
    }
    search.circles
}

struct Search<'a> {
    graph: &'a Graph,
    /// Order of discovery, and the lowest order reached from here.
    found: BTreeMap<&'a Module, (usize, usize)>,
    stack: Vec<&'a Module>,
    circles: Vec<Vec<String>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, module: &'a Module) -> usize {
        let order = self.found.len();
        self.found.insert(module, (order, order));
        self.stack.push(module);
        let mut low = order;
        for next in &self.graph[module] {
            let Some((next, _)) = self.graph.get_key_value(next) else { continue };
            if !self.found.contains_key(next) {
                low = low.min(self.visit(next));
            } else if self.stack.contains(&next) {
                low = low.min(self.found[next].0);
            }
        }
        self.found.insert(module, (order, low));
        if low == order {
            let place = self.stack.iter().position(|other| *other == module).expect("it is on the stack");
            let circle: Vec<String> = self.stack.drain(place..).map(|module| module.join("/")).collect();
            if circle.len() > 1 {
                self.circles.push(circle);
            }
        }
        low
    }
}
