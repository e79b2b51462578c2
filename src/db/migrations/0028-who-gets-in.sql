-- Whether an Admin is told of what has to do with who gets in. Null is yes.
alter table users add column mail_security boolean;

-- Whose password was right, and who has not given yet what is asked for beside it: from where, in how many sign-ins.
-- It stays for as long as what was asked can be answered.
create table unfinished_sign_ins (
  dealer_id uuid not null,
  user_id uuid not null,
  address text not null,
  code text not null,
  new_device boolean not null,
  steps integer not null check (steps >= 0),
  begun_at timestamptz not null,
  primary key (dealer_id, user_id, address)
) with (fillfactor = 50);

-- A process of the version before asks for no second factor: whom it would let in with the password alone it cannot.
create function refuse_password_alone() returns trigger language plpgsql as $$
begin
  if exists (
    select
    from users u
    join dealers d on d.id = u.dealer_id
    where u.dealer_id = new.dealer_id and u.id = new.user_id and (u.passkey_count > 0 or d.second_factor_required)
  ) then
    raise exception 'a password alone begins no session of somebody who needs a second factor' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger sessions_by_two_factors before insert on sessions
for each row when (new.factor = 'password') execute function refuse_password_alone();
