mod routing;

use super::*;

#[test]
fn durations_and_sizes_need_a_known_unit_and_a_sane_amount() {
    assert_eq!("250ms".parse(), Ok(Period(Duration::from_millis(250))));
    assert_eq!("2m".parse(), Ok(Period(Duration::from_secs(120))));
    assert_eq!("16MiB".parse(), Ok(ByteSize(16 << 20)));
    for bad in ["", "5", "s", "0s", "5 minutes", "-1s", "5d", "99999999999999999999s", "48h"] {
        assert!(bad.parse::<Period>().is_err(), "{bad:?}");
    }
    for bad in ["", "5", "5MB", "1.5MiB", "99999999999999999999B", "99999999999GiB"] {
        assert!(bad.parse::<ByteSize>().is_err(), "{bad:?}");
    }
}

#[test]
fn service_urls_are_split_into_what_is_connected_to_and_what_goes_before_the_path() {
    for (text, scheme, address, explicit_port, path) in [
        ("http://Orders.internal:8080/base/", Scheme::Http, "orders.internal:8080", true, "/base"),
        ("http://[::1]", Scheme::Http, "[::1]:80", false, ""),
        ("https://api.example.com/", Scheme::Https, "api.example.com:443", false, ""),
        ("grpc://api", Scheme::Grpc, "api:80", false, ""),
        ("grpcs://api:1", Scheme::Grpcs, "api:1", true, ""),
        ("http://unix:/run/app.sock", Scheme::Http, "unix:/run/app.sock", false, ""),
        ("http://unix:/run/app.sock:/base", Scheme::Http, "unix:/run/app.sock", false, "/base"),
    ] {
        let url: ServiceUrl = text.parse().unwrap();
        let found = (url.scheme, url.address.to_string(), url.explicit_port, &*url.path);
        assert_eq!(found, (scheme, address.to_owned(), explicit_port, path), "{text}");
    }
    for bad in
        ["orders", "ftp://x", "http://", "http://a:0", "http://a:70000", "http://a/b?c", "http://u@h", "http://unix:a"]
    {
        assert!(bad.parse::<ServiceUrl>().is_err(), "{bad:?}");
    }
}

#[test]
fn addresses_are_of_the_kind_they_are_for() {
    assert_eq!("0.0.0.0:8000".parse(), Ok(Bind::Tcp(([0, 0, 0, 0], 8000).into())));
    assert_eq!("unix:/run/t.sock".parse(), Ok(Bind::Unix("/run/t.sock".into())));
    assert_eq!("10.1.2.3/8".parse::<Network>().unwrap().0.to_string(), "10.0.0.0/8");
    assert_eq!("::1".parse::<Network>().unwrap().0.to_string(), "::1/128");
    assert_eq!("10.0.0.2".parse(), Ok(NameServer(([10, 0, 0, 2], 53).into())));
    for bad in ["", "8000", "localhost:80", "unix:relative", &format!("unix:/{}", "a".repeat(107))] {
        assert!(bad.parse::<Bind>().is_err(), "{bad:?}");
    }
    for bad in ["", "10.0.0.0/33", "example.com"] {
        assert!(bad.parse::<Network>().is_err() && bad.parse::<NameServer>().is_err(), "{bad:?}");
    }
}
