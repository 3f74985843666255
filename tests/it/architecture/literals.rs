//! Owns the reading of the string literals of a file outside its tests, including literals in macros and attributes.

use syn::parse::{ParseStream, Parser};
use syn::visit::{Visit, visit_attribute, visit_item_mod, visit_macro};
use syn::{Attribute, LitStr, Meta, Token, braced, bracketed, parenthesized, token};

use super::imports::is_test;

/// The string literals of a file outside its tests and doc comments.
pub(super) fn of(text: &str) -> Vec<String> {
    let parsed = syn::parse_file(text).unwrap_or_else(|why| panic!("not valid Rust: {why}"));
    let mut found = Literals(Vec::new());
    found.visit_file(&parsed);
    found.0
}

struct Literals(Vec<String>);

impl<'text> Visit<'text> for Literals {
    fn visit_item_mod(&mut self, item: &'text syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'text syn::ItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'text syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_lit_str(&mut self, literal: &'text LitStr) {
        self.0.push(literal.value());
    }

    fn visit_attribute(&mut self, attribute: &'text Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        if let Meta::List(list) = &attribute.meta {
            self.0.extend(in_tokens.parse2(list.tokens.clone()).expect("tokens can be read"));
        }
        visit_attribute(self, attribute);
    }

    fn visit_macro(&mut self, call: &'text syn::Macro) {
        self.0.extend(in_tokens.parse2(call.tokens.clone()).expect("tokens can be read"));
        visit_macro(self, call);
    }
}

/// The string literals among the tokens of a macro or an attribute, without doc comments.
fn in_tokens(input: ParseStream) -> syn::Result<Vec<String>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        if input.peek(LitStr) {
            found.push(input.parse::<LitStr>()?.value());
        } else if input.peek(Token![#]) && input.peek2(token::Bracket) {
            input.parse::<Token![#]>()?;
            let inside;
            bracketed!(inside in input);
            let is_doc = inside.fork().parse::<syn::Ident>().is_ok_and(|name| name == "doc");
            let literals = in_tokens(&inside)?;
            found.extend(literals.into_iter().filter(|_| !is_doc));
        } else if input.peek(token::Paren) {
            let inside;
            parenthesized!(inside in input);
            found.extend(in_tokens(&inside)?);
        } else if input.peek(token::Brace) {
            let inside;
            braced!(inside in input);
            found.extend(in_tokens(&inside)?);
        } else if input.peek(token::Bracket) {
            let inside;
            bracketed!(inside in input);
            found.extend(in_tokens(&inside)?);
        } else {
            input.step(|cursor| match cursor.token_tree() {
                Some((_, rest)) => Ok(((), rest)),
                None => Err(cursor.error("a token")),
            })?;
        }
    }
    Ok(found)
}
