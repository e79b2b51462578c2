-- A secret that is known and refused at the exchange has ended, or its key is disabled, expired or deleted: whoever has
-- it is told apart from whoever is refused for what he asks.
alter table api_key_last_outcomes
  drop constraint api_key_last_outcomes_outcome_check,
  add constraint api_key_last_outcomes_outcome_check check (outcome in ('accepted', 'refused', 'locked_out'));
