//! `#[derive(Config)]`. serde and schemars derive for a *mirror* of the type, which can name them by
//! the SDK's path and refuse unknown settings; the type itself then borrows the mirror's
//! implementations. So a plugin's crate needs no dependency but the SDK.

mod own_sink;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Field, Fields, Meta, Path, Result, Token};

pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let DeriveInput { attrs, vis: _, ident, generics, data } = input;
    if !generics.params.is_empty() {
        return Err(Error::new_spanned(generics, "a config has no generic parameters: nobody could choose them"));
    }
    let said = Container::parse(&attrs)?;
    let (validate, own_sink) = (said.validate(), said.own_sink());
    let name = ident.to_string();
    let (mirror, default_of_mirror, defaults) = mirror(&ident, &attrs, data)?;

    Ok(quote! {
        const _: () = {
            #mirror
            #default_of_mirror
            #(#defaults)*

            #[automatically_derived]
            impl<'de> ::tidegate_sdk::serde::Deserialize<'de> for #ident {
                fn deserialize<D>(deserializer: D) -> ::core::result::Result<Self, D::Error>
                where
                    D: ::tidegate_sdk::serde::Deserializer<'de>,
                {
                    __Mirror::deserialize(deserializer)
                }
            }

            #[automatically_derived]
            impl ::tidegate_sdk::schemars::JsonSchema for #ident {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed(#name)
                }
                fn schema_id() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed(::core::concat!(::core::module_path!(), "::", #name))
                }
                fn json_schema(
                    generator: &mut ::tidegate_sdk::schemars::SchemaGenerator,
                ) -> ::tidegate_sdk::schemars::Schema {
                    #[allow(unused_mut, reason = "only a sink of its own is added")]
                    let mut schema = <__Mirror as ::tidegate_sdk::schemars::JsonSchema>::json_schema(generator);
                    #own_sink
                    schema
                }
            }

            #[automatically_derived]
            impl ::tidegate_sdk::Config for #ident {
                #validate
            }
        };
    })
}

/// The mirror, its `Default` if the type's own is asked for, and a function for each field's default.
fn mirror(ident: &syn::Ident, attrs: &[Attribute], data: Data) -> Result<(TokenStream, TokenStream, Vec<TokenStream>)> {
    let mut defaults = Vec::new();
    let mut default_of_mirror = TokenStream::new();
    let body = match data {
        // A unit struct is mirrored by an empty one, so that its config is `{}` and not `null`.
        Data::Struct(data) => match data.fields {
            Fields::Unit => quote! { struct __Mirror {} },
            Fields::Named(fields) => {
                let mut mirrored = Vec::new();
                for field in &fields.named {
                    mirrored.push(mirror_field(field, &mut defaults)?);
                }
                if has_serde(attrs, "default")? {
                    let names: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
                    default_of_mirror = quote! {
                        impl ::core::default::Default for __Mirror {
                            fn default() -> Self {
                                let #ident { #(#names),* } = <#ident as ::core::default::Default>::default();
                                Self { #(#names),* }
                            }
                        }
                    };
                }
                quote! { struct __Mirror { #(#mirrored),* } }
            }
            Fields::Unnamed(fields) => {
                return Err(Error::new_spanned(fields, "a config is a JSON object, so its fields have names"));
            }
        },
        Data::Enum(data) => {
            let mut variants = Vec::new();
            for variant in &data.variants {
                refuse_config(&variant.attrs)?;
                let (kept, name) = (forwarded(&variant.attrs), &variant.ident);
                let mut fields = Vec::new();
                for field in &variant.fields {
                    fields.push(mirror_field(field, &mut defaults)?);
                }
                variants.push(match &variant.fields {
                    Fields::Unit => quote! { #(#kept)* #name },
                    Fields::Named(_) => quote! { #(#kept)* #name { #(#fields),* } },
                    Fields::Unnamed(_) => quote! { #(#kept)* #name(#(#fields),*) },
                });
            }
            quote! { enum __Mirror { #(#variants),* } }
        }
        Data::Union(_) => return Err(Error::new_spanned(ident, "a union cannot be a config")),
    };

    let (kept, remote) = (forwarded(attrs), ident.to_string());
    let strict = (!has_serde(attrs, "deny_unknown_fields")?).then(|| quote! { #[serde(deny_unknown_fields)] });
    let mirror = quote! {
        #[derive(::tidegate_sdk::serde::Deserialize, ::tidegate_sdk::schemars::JsonSchema)]
        #[serde(crate = "::tidegate_sdk::serde", remote = #remote)]
        #[schemars(crate = "::tidegate_sdk::schemars")]
        #strict
        #(#kept)*
        #[allow(dead_code, reason = "only its derived implementations are used")]
        #body
    };
    Ok((mirror, default_of_mirror, defaults))
}

fn mirror_field(field: &Field, defaults: &mut Vec<TokenStream>) -> Result<TokenStream> {
    if has_serde(&field.attrs, "flatten")? {
        return Err(Error::new_spanned(field, "flattened settings would let unknown ones through"));
    }
    let (kept, ty) = (forwarded(&field.attrs), &field.ty);
    let default = field_default(&field.attrs)?.map(|expression| {
        let function = format_ident!("__default_{}", defaults.len());
        let path = function.to_string();
        defaults.push(quote! { fn #function() -> #ty { #expression } });
        quote! { #[serde(default = #path)] }
    });
    let name = field.ident.as_ref().map(|name| quote! { #name: });
    Ok(quote! { #(#kept)* #default #name #ty })
}

/// What `#[config(…)]` on the type says.
#[derive(Default)]
struct Container {
    validate: Option<Path>,
    sink: Option<own_sink::OwnSink>,
}

impl Container {
    fn parse(attrs: &[Attribute]) -> Result<Self> {
        let mut said = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("config")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("validate") {
                    said.validate = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("sink") {
                    said.sink = Some(own_sink::OwnSink::parse(&meta)?);
                } else {
                    return Err(meta.error("a config type takes `validate = PATH` and `sink(…)`"));
                }
                Ok(())
            })?;
        }
        Ok(said)
    }

    fn validate(&self) -> Option<TokenStream> {
        let path = self.validate.as_ref()?;
        Some(quote! {
            fn validate(&self) -> ::core::result::Result<(), ::std::string::String> {
                #path(self).map_err(|error| ::std::string::ToString::to_string(&error))
            }
        })
    }

    fn own_sink(&self) -> Option<TokenStream> {
        let annotation = self.sink.as_ref()?.annotation();
        Some(quote! { schema.insert("x-sink".into(), #annotation); })
    }
}

fn field_default(attrs: &[Attribute]) -> Result<Option<Expr>> {
    let mut default = None;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("config")) {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("default") {
                return Err(meta.error("a setting takes `default = EXPRESSION`"));
            }
            default = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(default)
}

fn refuse_config(attrs: &[Attribute]) -> Result<()> {
    match attrs.iter().find(|attr| attr.path().is_ident("config")) {
        Some(attr) => Err(Error::new_spanned(attr, "`config` stands on the type or on a field")),
        None => Ok(()),
    }
}

fn has_serde(attrs: &[Attribute], name: &str) -> Result<bool> {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        let metas = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
        if metas.iter().any(|meta| meta.path().is_ident(name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The attributes that the mirror's derives read.
fn forwarded(attrs: &[Attribute]) -> Vec<&Attribute> {
    let read = |attr: &&Attribute| ["doc", "serde", "schemars"].iter().any(|name| attr.path().is_ident(name));
    attrs.iter().filter(read).collect()
}
