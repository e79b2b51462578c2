-- What people sign in with instead of a password, or after it. Of a passkey only its public half is here.
create table passkeys (
  dealer_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  credential_id bytea not null,
  public_key bytea not null,
  sign_count bigint not null,
  name text not null,
  synced boolean not null,
  created_at timestamptz not null,
  last_used_at timestamptz,
  primary key (dealer_id, id),
  unique (dealer_id, user_id, credential_id),
  foreign key (dealer_id, user_id) references users (dealer_id, id)
);

-- What takes the place of a passkey, once: the row goes when it is used.
create table recovery_codes (
  dealer_id uuid not null,
  user_id uuid not null,
  hash bytea not null,
  secret_version text not null,
  primary key (dealer_id, user_id, hash),
  foreign key (dealer_id, user_id) references users (dealer_id, id)
);

-- Challenges are kept by nobody until they have been answered; these have been, and cannot be again until they are over.
create table answered_challenges (
  dealer_id uuid not null references dealers,
  challenge bytea not null,
  answered_at timestamptz not null,
  primary key (dealer_id, challenge)
);
create index answered_challenges_at on answered_challenges (answered_at);

alter table users add column passkey_count smallint not null default 0 check (passkey_count >= 0);
alter table dealers add column second_factor_required boolean not null default false;
alter table sessions
  add column factor text not null default 'password'
    check (factor in ('password', 'passkey', 'password_and_passkey', 'password_and_recovery_code')),
  add column passkey_id uuid;
