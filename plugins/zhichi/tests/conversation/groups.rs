//! Groups to choose from, where the operator wants them asked for.

use serde_json::json;

use crate::script::play_with;

#[test]
fn the_app_is_told_the_groups_and_where_somebody_is() {
    let script = json!([
        {"event": {"type": "opened", "visitor": {"id": "u-1"}, "client": {}}, "then": [
            {"call": "get_robot_guide", "body": {}},
            {"call": "query_group", "body": {}},
        ]},
        {"answer": "query_group", "body": {"ret_code": "000000", "items": [
            {"groupid": "sale", "group_name": "售前"},
            {"groupid": 7, "group_name": "售后"},
            {"group_name": "without an id"},
            "no object",
            {"groupid": "night"},
        ]}, "then": [{"call": "query_agent", "body": {}}]},
        {"answer": "query_agent", "body": {"ret_code": "000000", "items": [
            {"agentid": "1", "groupid": ["sale"], "agent_status": "1"},
            {"agentid": "2", "groupid": "8;7", "agent_status": 2},
            {"agentid": "3", "agent_status": "0"},
        ]}, "then": [{"type": "capabilities", "capabilities": {"groups": [
            {"id": "sale", "name": "售前", "online": true},
            {"id": "7", "name": "售后", "online": true},
            {"id": "night", "name": "night", "online": false},
        ]}}]},
    ]);
    play_with(json!({"ask_groups": true}), &script.to_string());
}

#[test]
fn a_session_goes_on_where_the_groups_cannot_be_had() {
    for answer in [
        json!({"ret_code": "999999"}),
        json!({"ret_code": "000000", "items": {}}),
        json!({"ret_code": "000000"}),
        json!("<html>"),
    ] {
        let script = json!([
            {"event": {"type": "opened", "visitor": {"id": "u-1"}, "client": {}}, "then": [
                {"call": "get_robot_guide", "body": {}},
                {"call": "query_group", "body": {}},
            ]},
            {"answer": "query_group", "body": answer, "then": []},
        ]);
        play_with(json!({"ask_groups": true}), &script.to_string());
    }
}
