/** What a sign-in was proven with. */
export type Factor = 'password' | 'passkey' | 'password_and_passkey' | 'password_and_recovery_code'
