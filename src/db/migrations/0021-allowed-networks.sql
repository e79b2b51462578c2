-- From where a key may be used; without any, from everywhere. Beside the key it is what people see, beside the credential
-- what is judged.
alter table api_keys add column allowed_networks cidr[] not null default '{}';
alter table credentials add column allowed_networks cidr[] not null default '{}';

-- An address that nobody knows is outside every list.
create function is_address_allowed(networks cidr[], address inet) returns boolean
language sql immutable parallel safe
return cardinality(networks) = 0 or coalesce(address <<= any (networks::inet[]), false);

-- Whoever gives a key another secret, be it the version before, gives it the list of the key with it.
create function limit_credential() returns trigger language plpgsql as $$
begin
  select k.allowed_networks
  into new.allowed_networks
  from api_keys k
  where k.dealer_id = new.dealer_id and k.id = new.subject_id;
  return new;
end $$;
create trigger credentials_limited before insert on credentials
for each row when (new.subject_type = 'api_key') execute function limit_credential();

-- Whoever comes with a right key or token from an address that the key may not be used from.
alter table api_key_last_outcomes
  drop constraint api_key_last_outcomes_outcome_check,
  add constraint api_key_last_outcomes_outcome_check
    check (outcome in ('accepted', 'refused', 'locked_out', 'foreign'));
