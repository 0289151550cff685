//! Templates as models carry them, hostile ones, and arbitrary bytes.

use proptest::prelude::*;

use super::*;

fn compile(source: &str) -> Result<ChatTemplate, TemplateError> {
    ChatTemplate::compile(source, "<s>".into(), "</s>".into())
}

fn render(source: &str) -> Result<String, TemplateError> {
    let messages = [ChatMessage::new("system", "S"), ChatMessage::new("user", "U <b>")];
    compile(source)?.render(&messages, None)
}

#[test]
fn chatml_is_rendered() {
    let expected = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU <b><|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(CHATML).unwrap(), expected);
    let template = compile(CHATML).unwrap();
    assert!(template.takes_system() && template.takes_turns() && !template.mentions_thinking());
}

#[test]
fn templates_find_what_transformers_gives_them() {
    for (source, expected) in [
        ("{{ bos_token }}{{ eos_token }}", "<s></s>"),
        (
            "{{ messages | tojson }}",
            r#"[{"role": "system", "content": "S"}, {"role": "user", "content": "U <b>"}]"#,
        ),
        ("{% if tools is none and documents is none %}none{% endif %}", "none"),
        ("{% if enable_thinking is defined %}on{% else %}unset{% endif %}", "unset"),
        (
            "{% for m in messages %}\n    {%- if loop.first %}{% continue %}{% endif %}{{ m.content }}{% break %}{% endfor %}",
            "U <b>",
        ),
        ("{{ messages[1].content.split(' ')[0].lower().strip() }}", "u"),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "2",
        ),
        ("{%- generation -%} a {%- endgeneration -%} b", "ab"),
        ("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"),
        ("{{ messages[::-1][0].role }}", "user"),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
    assert_eq!(render("{{ strftime_now('%Y') }}").unwrap().len(), 4);
}

#[test]
fn thinking_is_switched_where_the_template_knows_it() {
    let template = compile(
        "{% if enable_thinking is false %}off{% elif enable_thinking %}on{% else %}auto{% endif %}",
    )
    .unwrap();
    assert!(template.mentions_thinking());
    let said = |think| template.render(&[ChatMessage::new("user", "U")], think).unwrap();
    assert_eq!([said(Some(false)), said(Some(true)), said(None)], ["off", "on", "auto"]);
}

#[test]
fn a_refusal_is_the_requests_fault_and_keeps_its_words() {
    let error = render("x\n{{ raise_exception('roles must\nalternate') }}").unwrap_err();
    let error = ports::Error::from(error);
    assert_eq!(error.kind(), ports::ErrorKind::InvalidRequest);
    assert_eq!(
        error.to_string(),
        "the model's chat template (line 2) refuses the conversation: roles must alternate"
    );
}

#[test]
fn broken_templates_name_the_line() {
    for source in ["a\nb {% if %}", "\n{{ 1 | nofilter }}", "\n{{ messages.nothing.deeper }}"] {
        let error = ports::Error::from(render(source).unwrap_err());
        assert_eq!(error.kind(), ports::ErrorKind::Unsupported);
        assert!(error.to_string().contains("(line 2)"), "{error}");
    }
}

#[test]
fn hostile_templates_run_out_of_fuel() {
    for source in [
        "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for a in range(9999) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    ] {
        assert!(render(source).is_err(), "{source}");
    }
}

proptest! {
    #[test]
    fn arbitrary_templates_never_panic(source in "\\PC{0,60}|([{%#}\\- a-z'|()\\[\\].0-9\\n]|\\{\\{|\\}\\}|\\{%|%\\}|for |in |if |end|messages|set ){0,40}") {
        let _ = render(&source);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = render(&String::from_utf8_lossy(&bytes));
    }
}
