//! `textport providers inspect` and `textport gradio inspect`.

use crate::home::Home;
use crate::servers::{app, zero_gpu};

#[test]
fn a_space_shows_endpoints_parameters_and_the_mapping() {
    let home = Home::new();
    for verb in ["providers", "gradio"] {
        let run = home.run(&[verb, "inspect", zero_gpu()]).ok();
        let run = run.prints("(Gradio 6.").prints("/stream (streams)").prints("-> textbox");
        let run = run.prints("prompt (textbox").prints("<- message");
        run.prints("max_new_tokens (slider between 1 and 64").prints("<- max_tokens");
    }
    let json = home.run(&["gradio", "inspect", zero_gpu(), "--json"]).ok().json();
    let endpoints = json["endpoints"].as_array().unwrap();
    let stream = endpoints.iter().find(|one| one["name"] == "/stream").unwrap();
    assert_eq!(stream["mapping"]["inputs"], serde_json::json!({ "message": 0, "max_tokens": 1 }));
    assert_eq!((&json["v"], &stream["generator"]), (&1.into(), &true.into()));
}

#[test]
fn a_provider_shows_what_its_settings_choose() {
    let home = Home::with_config(&format!(
        "[providers.mine]\nkind = \"zerogpu\"\nspace = \"{}\"\nendpoint = \"/complete\"\n\
         map = {{ system = \"\" }}\n",
        app()
    ));
    home.run(&["providers", "inspect", "mine"]).ok().prints("messages are answered by /complete");
    let json = home.run(&["providers", "inspect", "mine", "--json"]).ok().json();
    assert_eq!(json["chosen"], "/complete");
    home.run(&["providers", "inspect", "local"]).code(9).says("not a Space");
}
