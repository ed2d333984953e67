//! `#[config(sink(…))]`: from what the attribute says of a sink to the annotation `x-sink` of the schema.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Lit, LitStr, Result, Token};

/// What the attribute says.
pub(super) struct OwnSink {
    instead: Option<LitStr>,
    definition: Vec<(String, Value)>,
}

enum Value {
    Plain(Lit),
    /// The first whose settings are there.
    Either(Vec<LitStr>),
    Table(Vec<(String, Value)>),
}

impl OwnSink {
    pub(super) fn parse(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let mut own = Self { instead: None, definition: Vec::new() };
        meta.parse_nested_meta(|meta| {
            if meta.path.is_ident("instead") {
                own.instead = Some(meta.value()?.parse()?);
                return Ok(());
            }
            own.definition.push(entry(&meta)?);
            Ok(())
        })?;
        if own.definition.iter().all(|(key, _)| key != "kind") {
            return Err(meta.error("a sink has a kind: `kind = \"file\"`"));
        }
        Ok(own)
    }

    pub(super) fn annotation(&self) -> TokenStream {
        let definition = table(&self.definition);
        let instead = self.instead.as_ref().map(|setting| quote! { "instead": #setting, });
        quote! { ::tidegate_sdk::prelude::json!({ #instead "definition": #definition }) }
    }
}

/// `key = LITERAL`, `key = ["…", "…"]`, or `key(…)`, which is a table.
fn entry(meta: &ParseNestedMeta<'_>) -> Result<(String, Value)> {
    let key = meta.path.require_ident()?.to_string();
    if meta.input.peek(syn::token::Paren) {
        let mut nested = Vec::new();
        meta.parse_nested_meta(|meta| {
            nested.push(entry(&meta)?);
            Ok(())
        })?;
        return Ok((key, Value::Table(nested)));
    }
    let value = meta.value()?;
    if value.peek(syn::token::Bracket) {
        let alternatives;
        syn::bracketed!(alternatives in value);
        let alternatives = Punctuated::<LitStr, Token![,]>::parse_terminated(&alternatives)?;
        return Ok((key, Value::Either(alternatives.into_iter().collect())));
    }
    Ok((key, Value::Plain(value.parse()?)))
}

fn table(entries: &[(String, Value)]) -> TokenStream {
    let members = entries.iter().map(|(key, value)| match value {
        Value::Plain(literal) => quote! { #key: #literal },
        Value::Either(alternatives) => quote! { #key: [#(#alternatives),*] },
        Value::Table(nested) => {
            let nested = table(nested);
            quote! { #key: #nested }
        }
    });
    quote! { { #(#members),* } }
}
