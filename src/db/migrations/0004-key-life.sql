alter table api_keys
  add column expires_at timestamptz,
  add column delete_reason text;

-- A key has one current secret. While it is replaced there is another one: the next, which becomes current when it is first used, or the
-- previous, which works until its own end. Ended secrets stay, so that whoever still tries one can be told apart.
alter table api_key_secrets
  add column role text not null default 'current' check (role in ('current', 'next', 'previous', 'ended')),
  add column mask text,
  add column ends_at timestamptz,
  add column grace_seconds integer,
  add column first_used_at timestamptz;
update api_key_secrets s set mask = k.mask from api_keys k where k.dealer_id = s.dealer_id and k.id = s.api_key_id;
alter table api_key_secrets alter column mask set not null, alter column role drop default;
alter table api_keys drop column mask;
create unique index api_key_secrets_role on api_key_secrets (dealer_id, api_key_id, role) where role <> 'ended';
