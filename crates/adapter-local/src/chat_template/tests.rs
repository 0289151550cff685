//! Templates as models carry them, hostile ones, and arbitrary bytes.

use proptest::prelude::*;

use super::*;

fn compile(source: &str) -> Result<ChatTemplate, TemplateError> {
    ChatTemplate::compile(source, "<s>".into(), "</s>".into())
}

fn render(source: &str) -> Result<String, TemplateError> {
    let messages = [ChatMessage::new("system", "S"), ChatMessage::new("user", "U <b>")];
    compile(source)?.render(Chat { messages: &messages, ..Chat::default() })
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
        ("{{ {'b': 1, 'a': [true, none, 1.0]} | tojson }}", r#"{"b": 1, "a": [true, null, 1.0]}"#),
        (
            "{{ {'b': [], 'a': {'c': {}}} | tojson(indent=2) }}",
            "{\n  \"b\": [],\n  \"a\": {\n    \"c\": {}\n  }\n}",
        ),
        (
            "{{ {'b': 1, 'a': {'d': 0, 'c': 1}} | tojson(sort_keys=true) }}",
            r#"{"a": {"c": 1, "d": 0}, "b": 1}"#,
        ),
        ("{{ [1, {'a': 2}] | tojson(separators=(',', ':')) }}", r#"[1,{"a":2}]"#),
        ("{{ 'é\"😀\u{7f}' | tojson(ensure_ascii=true) }}", r#""\u00e9\"\ud83d\ude00\u007f""#),
        ("{{ 'é\n\u{1}</a>' | tojson }}", r#""é\n\u0001</a>""#),
        (
            "{{ [1e16, 1e-5, 0.1, 100.0, -2.5e-7, 123456789.125] | tojson }}",
            "[1e+16, 1e-05, 0.1, 100.0, -2.5e-07, 123456789.125]",
        ),
        ("{{ [1, [2]] | tojson(indent='-') }}", "[\n-1,\n-[\n--2\n-]\n]"),
        ("{{ 'abcab'.removeprefix('ab') }}{{ 'abcab'.removesuffix('ab') }}", "cababc"),
        (
            "{{ 'a=b=c'.partition('=') | tojson }}{{ 'a=b=c'.rpartition('=') | tojson }}",
            r#"["a", "=", "b=c"]["a=b", "=", "c"]"#,
        ),
        ("{{ 'a.b.c'.rsplit('.', 1) | tojson }}{{ 'a.b.c'.split('.')[-1] }}", r#"["a.b", "c"]c"#),
        ("{{ 'xxaxx'.strip('x') }}{{ 'xa\n'.rstrip('\n').lstrip('x') }}", "aa"),
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
    let messages = &[ChatMessage::new("user", "U")];
    let said =
        |enable_thinking| template.render(Chat { messages, enable_thinking, tools: None }).unwrap();
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

/// Values inside values inside values, as deep as the fuel allows: they are written and dropped by
/// functions that call themselves.
#[test]
fn deeply_nested_values_end_in_an_error_or_a_text() {
    let shown = [
        "",
        "{{ ns.x }}",
        "{{ ns.x | tojson }}",
        "{{ ns.x | tojson(sort_keys=true) }}",
        "{{ ns.x == ns.y }}",
    ];
    for inner in ["[X]", "{'a': X}"] {
        for (shown, times) in shown.into_iter().flat_map(|shown| [(shown, 15), (shown, 90)]) {
            let nested = |name: &str| {
                format!("{{% set ns.{name} = {} %}}", inner.replace('X', &format!("ns.{name}")))
            };
            let (x, y) = (nested("x"), nested("y"));
            let source = format!(
                "{{% set ns = namespace(x=[], y=[]) %}}{{% for a in range({times}) %}}{{% for b in range(10000) %}}{x}{y}{{% endfor %}}{{% endfor %}}{shown}"
            );
            let _ = render(&source);
        }
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
