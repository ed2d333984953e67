//! Every public item of the SDK has an example in its documentation that `cargo test --doc` compiles. Read off the
//! sources: rustdoc's own output can be read by nightly toolchains only.
//!
//! Public is what a public module declares, and what one takes from elsewhere by `pub use`, unless it is
//! `#[doc(hidden)]`. Fields, variants and methods of traits are shown by the example of what they belong to, and what is
//! generated from the WIT files is documented there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, ExprLit, ImplItem, Item, Lit, Meta, Type, UseTree, Visibility};

#[test]
fn every_public_item_has_an_example() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lacking = lacking(&read(&src.join("lib.rs"), &src, "tidegate_sdk", true));
    assert!(lacking.is_empty(), "no example that is compiled in the documentation of:\n  {}", lacking.join("\n  "));
}

#[test]
fn what_lacks_one_is_named() {
    let source = "
        pub use tidegate_sdk_macros::Derived;
        pub struct Bare;
        /// ```
        /// assert!(true);
        /// ```
        pub struct Shown;
        impl Shown {
            /// ```toml
            /// no = \"example\"
            /// ```
            pub fn told(&self) {}
            fn private(&self) {}
        }
        impl Private { pub fn unreachable(&self) {} }
        #[doc(hidden)] pub fn hidden() {}
        pub(crate) fn inside() {}
        mod private {
            #[macro_export] macro_rules! made { () => {} }
            pub fn kept() {}
            pub fn taken_out() {}
        }
        pub use private::{taken_out as given};
    ";
    let items = syn::parse_file(source).unwrap().items;
    let names = ["m::Derived", "m::Bare", "m::private::made", "m::private::taken_out", "m::Shown::told"];
    assert_eq!(lacking(&placed(items, Path::new("/nowhere"), "m", true)), names);
}

/// An item, and where it stands.
struct Placed {
    module: String,
    in_public: bool,
    item: Item,
}

fn read(file: &Path, folder: &Path, module: &str, public: bool) -> Vec<Placed> {
    let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    placed(syn::parse_file(&source).unwrap().items, folder, module, public)
}

/// The items of a module and of those within it, whose files are in `folder`; without hidden ones and tests.
fn placed(items: Vec<Item>, folder: &Path, module: &str, public: bool) -> Vec<Placed> {
    let mut all = Vec::new();
    for item in items {
        let Item::Mod(inner) = item else {
            all.push(Placed { module: module.to_owned(), in_public: public, item });
            continue;
        };
        if is_left_out(&inner.attrs) {
            continue;
        }
        let (name, public) = (inner.ident.to_string(), public && is_pub(&inner.vis));
        let (folder, module, file) = (folder.join(&name), format!("{module}::{name}"), format!("{name}.rs"));
        all.extend(match inner.content {
            Some((_, items)) => placed(items, &folder, &module, public),
            None => read(&folder.with_file_name(file), &folder, &module, public),
        });
    }
    all
}

fn lacking(items: &[Placed]) -> Vec<String> {
    let mut taken_out = BTreeSet::new();
    for placed in items.iter().filter(|placed| placed.in_public) {
        if let Item::Use(taken) = &placed.item
            && is_pub(&taken.vis)
        {
            names(&taken.tree, &mut taken_out);
        }
    }
    // An exported macro stands at the crate's root, wherever it is declared.
    let is_public = |placed: &Placed, name: &str| {
        placed.in_public || taken_out.contains(name) || matches!(placed.item, Item::Macro(_))
    };
    let declared = items.iter().filter_map(|placed| Some((placed, declaration(&placed.item)?)));
    let public: Vec<_> = declared.filter(|(placed, (name, _))| is_public(placed, name)).collect();
    let types: BTreeSet<&str> = public.iter().map(|(_, (name, _))| name.as_str()).collect();

    let own = public.iter().map(|(placed, (name, attrs))| (format!("{}::{name}", placed.module), *attrs));
    let methods = items.iter().flat_map(|placed| {
        let methods = methods(&placed.item).into_iter().filter(|(of, ..)| types.contains(of.as_str()));
        methods.map(|(of, name, attrs)| (format!("{}::{of}::{name}", placed.module), attrs))
    });
    own.chain(methods).filter(|(_, attrs)| !has_example(attrs)).map(|(name, _)| name).collect()
}

/// The names that a `use` finds, as they are called where it finds them.
fn names(tree: &UseTree, found: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => names(&path.tree, found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, found)),
        UseTree::Name(name) => drop(found.insert(name.ident.to_string())),
        UseTree::Rename(renamed) => drop(found.insert(renamed.ident.to_string())),
        UseTree::Glob(_) => panic!("`pub use …::*` hides what is public"),
    }
}

/// Name and attributes of what others can use: items declared `pub`, macros that are exported, and what is taken over
/// from the crate of the derive macro, which is documented where it is taken over.
fn declaration(item: &Item) -> Option<(String, &[Attribute])> {
    let (name, attrs, public) = match item {
        Item::Const(item) => (&item.ident, &item.attrs, is_pub(&item.vis)),
        Item::Enum(item) => (&item.ident, &item.attrs, is_pub(&item.vis)),
        Item::Fn(item) => (&item.sig.ident, &item.attrs, is_pub(&item.vis)),
        Item::Macro(item) => (item.ident.as_ref()?, &item.attrs, has(&item.attrs, "macro_export")),
        Item::Static(item) => (&item.ident, &item.attrs, is_pub(&item.vis)),
        Item::Struct(item) => (&item.ident, &item.attrs, is_pub(&item.vis)),
        Item::Trait(item) => (&item.ident, &item.attrs, is_pub(&item.vis)),
        Item::Type(item) => (&item.ident, &item.attrs, is_pub(&item.vis)),
        Item::Use(item) => match &item.tree {
            UseTree::Path(path) if path.ident == "tidegate_sdk_macros" => match &*path.tree {
                UseTree::Name(name) => (&name.ident, &item.attrs, is_pub(&item.vis)),
                _ => panic!("one `use` for each macro, with documentation of its own"),
            },
            _ => return None,
        },
        _ => return None,
    };
    (public && !is_left_out(attrs)).then(|| (name.to_string(), attrs.as_slice()))
}

/// The public methods of a type, each with the type's name before its own.
fn methods(item: &Item) -> Vec<(String, String, &[Attribute])> {
    let Item::Impl(block) = item else { return Vec::new() };
    let (None, Type::Path(of)) = (&block.trait_, &*block.self_ty) else { return Vec::new() };
    let Some(of) = of.path.segments.last().map(|segment| segment.ident.to_string()) else { return Vec::new() };
    let methods = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) if is_pub(&method.vis) && !is_left_out(&method.attrs) => {
            Some((of.clone(), method.sig.ident.to_string(), method.attrs.as_slice()))
        }
        _ => None,
    });
    methods.collect()
}

fn is_pub(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn has(attrs: &[Attribute], name: &str) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident(name))
}

/// Hidden from readers, or there under test only.
fn is_left_out(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::List(list) if list.path.is_ident("doc") => list.tokens.to_string() == "hidden",
        Meta::List(list) if list.path.is_ident("cfg") => ["test", "doctest"].contains(&&*list.tokens.to_string()),
        _ => false,
    })
}

/// Whether there is a block of Rust that is compiled.
fn has_example(attrs: &[Attribute]) -> bool {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value()),
            _ => None,
        },
        _ => None,
    });
    let fences: Vec<String> =
        lines.filter_map(|line| Some(line.trim().strip_prefix("```")?.trim().to_owned())).collect();
    // Each second fence ends a block.
    fences.iter().step_by(2).any(|language| ["", "rust", "should_panic", "no_run"].contains(&language.as_str()))
}
