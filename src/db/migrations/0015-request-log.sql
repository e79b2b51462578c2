-- A request whose sender left before the answer has the status 0, here and as class in the counts.
alter table api_key_requests
  add column problem text,
  add column violation jsonb;

-- The last use of a key that was accepted (2xx, 3xx) and the last that was refused (4xx); `api_key_last_used` has the
-- last of all.
create table api_key_last_outcomes (
  dealer_id uuid not null,
  api_key_id uuid not null,
  outcome text not null check (outcome in ('accepted', 'refused')),
  at timestamptz not null,
  operation text not null,
  status smallint not null,
  problem text,
  address text not null,
  user_agent text,
  credential_id uuid not null,
  primary key (dealer_id, api_key_id, outcome)
);

insert into api_key_last_outcomes (dealer_id, api_key_id, outcome, at, operation, status, address, user_agent, credential_id)
select dealer_id, api_key_id, case status / 100 when 4 then 'refused' else 'accepted' end, at, operation, status, address,
  user_agent, credential_id
from api_key_last_used
where status / 100 in (2, 3, 4);
