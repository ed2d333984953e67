//! acl behind the plugin that verifies tokens.

use crate::harness::{Gateway, Upstream, one_route};

/// Of `{"iss":"alice-key","exp":4102444800,"aud":["shop","store"],"roles":["gold"]}`, with HS256 and "alice's secret".
const ALICES: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhbGljZS1rZXkiLCJleHAiOjQxMDI0NDQ4MDAsImF1ZCI6WyJzaG9wIiwic3RvcmUiXSwicm9sZXMiOlsiZ29sZCJdfQ.IyuL6_XEyqTCfP_CXbO-isGcxSdiXzjiqHSuuo0O10k";

/// What takes long on a busy machine is no failure of the plugins'.
const TIME: &str = "limits = { time = \"1s\" }";

#[tokio::test]
async fn groups_of_a_verified_token_decide_and_are_told_to_the_upstream() {
    let upstream = Upstream::echo("u").await;
    for (acl, status) in [
        ("allow = [\"gold\"], claim = \"roles\", always_use_authenticated_groups = true", 200),
        ("deny = [\"gold\"], claim = \"roles\", always_use_authenticated_groups = true", 403),
        // The credential's consumer is in another group.
        ("allow = [\"gold\"], claim = \"roles\"", 403),
        ("allow = [\"silver\"]", 200),
    ] {
        // Listed first, but its priority is lower.
        let plugins =
            format!("plugins = [{{ use = \"acl\", config = {{ {acl} }}, {TIME} }}, {{ use = \"jwt\", {TIME} }}]");
        let credential = "{ kind = \"jwt\", key = \"alice-key\", secret = \"alice's secret\" }";
        let consumer =
            format!("[[consumers]]\nusername = \"alice\"\ngroups = [\"silver\"]\ncredentials = [{credential}]\n");
        let gateway = Gateway::start(&format!("{}{consumer}", one_route(upstream.address, &plugins))).await;
        let authorization = format!("Bearer {ALICES}");
        let headers = [("authorization", authorization.as_str()), ("x-authenticated-groups", "admin")];
        let answer = gateway.request("GET", "/", &headers).await;
        assert_eq!(answer.status, status, "{acl}");
        if status == 200 {
            let expected = acl.contains("claim").then(|| "gold".to_owned());
            assert_eq!(answer.upstream_got("x-authenticated-groups"), expected, "{acl}");
            assert_eq!(answer.upstream_got("x-consumer-groups").as_deref(), Some("silver"));
        }
        assert_eq!(gateway.get("/").await.status, 401);
    }
}
