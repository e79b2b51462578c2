/*
 * Beside the scopes of a key: what they were when these were written, whether they were then all of the key's kind, so
 * that it gets what comes to its kind, and which of them the contract had, so that it can be told when others come into
 * force. The version before writes `scopes` alone; from `scopes_seen` it is seen that the others are out of date.
 */
alter table api_keys
  add column scopes_seen text[],
  add column all_of_kind boolean,
  add column scopes_in_force text[];
