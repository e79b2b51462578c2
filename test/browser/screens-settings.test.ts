import { inner, newId } from '../../src/ids.ts'
import { lead, password } from '../service.ts'
import { another, fillKeys, hostile, long, screens, turned } from './screens.ts'

const dayMs = 86_400_000

screens({
  'creating a key': {
    states: [
      'integrations-empty',
      'integrations-loading',
      'integrations-error',
      'create-digital',
      'create-missing',
      'create-extensive',
      'create-taken',
      'reveal',
      'reveal-unsaved',
      'connect-waiting',
      'connect-failed',
      'connect-tested',
      'connect-green',
    ],
    walk: async (walk) => {
      const { service, admin, page, signIn, dialog, button, state, go, waiting, failing, asUsual, make, deleteKeys } =
        walk
      await deleteKeys()
      await signIn(admin.email)
      await go('/settings/integrations')
      await state('integrations-empty', page.getByText('No keys for extensive integrations yet.'))
      await waiting('**/v1/api-keys?*')
      await go('/settings/integrations')
      await state('integrations-loading', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/api-keys?*')
      await go('/settings/integrations')
      await state('integrations-error', button('Try again'))
      await asUsual()

      await make(hostile)
      await go('/settings/integrations?create=digital_requests')
      await state('create-digital', dialog.getByText('It cannot: read, list, change or delete anything.'))
      await dialog.getByLabel('Expiry').selectOption('On a date')
      await button('Create key').click()
      await state('create-missing', dialog.getByText('Choose a day in the future.'))
      await go('/settings/integrations?create=extensive_integrations')
      await dialog.getByLabel('see customers, who leads are from and what they wrote').uncheck()
      await state(
        'create-extensive',
        dialog.getByText('It cannot: see customers, who leads are from and what they wrote.'),
      )
      await dialog.getByLabel('Name').fill(hostile)
      await button('Create key').click()
      await state('create-taken', dialog.getByText('Another key has this name.'))
      await dialog.getByLabel('Name').fill(turned)
      await button('Create key').click()
      await state('reveal', dialog.getByLabel('API key'))
      const secret = await dialog.getByLabel('API key').inputValue()
      await button('Continue').click()
      await state('reveal-unsaved', dialog.getByText('Save the key first'))
      await dialog.getByLabel('I have saved this key').check()
      await button('Continue').click()
      await state('connect-waiting', dialog.getByText('Waiting for the first lead…'))
      await failing('**/v1/leads')
      await button('Send a test lead').click()
      await state('connect-failed', dialog.getByText('Request id: req-1234'))
      await asUsual()
      await button('Send a test lead').click()
      await state('connect-tested', dialog.getByText('The test lead was sent with this key.'))
      await service.call('POST', '/v1/leads', { token: await service.exchange(secret), body: lead() })
      await state('connect-green', dialog.getByText('First lead received'))
      await button('Done').click()
    },
  },
  keys: {
    states: [
      'integrations',
      'integrations-deleted',
      'key-deleted',
      'integrations-quiet',
      'key-quiet',
      'key-unused',
      'key-used',
      'key-test',
      'key-disabled',
      'key-expired',
      'key-missing',
      'key-loading',
    ],
    walk: async (walk) => {
      const { db, dealerId, admin, page, signIn, button, state, go, waiting, asUsual } = walk
      const { unused, used, test, disabled, expired, past } = await fillKeys(walk)
      await signIn(admin.email)
      await go('/settings/integrations')
      await page.getByText('Somebody still uses the deleted key “DMS Sync”').waitFor()
      for (const name of [long, 'Main Website Lead Form', 'DMS Sync'])
        await page.getByRole('link', { name }).scrollIntoViewIfNeeded()
      await page.getByText(/\d+ requests, \d+ refused or failed/).waitFor()
      await state('integrations', page.getByRole('link', { name: long }))
      await button('Show deleted keys').click()
      await state('integrations-deleted', page.getByText('Can be restored until'))
      await page.getByRole('link', { name: 'DMS Sync' }).last().click()
      await state('key-deleted', page.getByRole('region', { name: 'This key is deleted' }))

      const since = new Date(Date.now() - 2 * dayMs)
      await db('source_silences').insert({
        dealer_id: dealerId,
        api_key_id: past.id,
        since,
        last_lead_id: 'ffffffff-ffff-7fff-bfff-ffffffffffff',
        noticed_at: new Date(),
        expected: 1234,
      })
      await go('/settings/integrations')
      await page
        .getByText(/Main Website Lead Form is quiet: no lead since .*, where about 1,234 were to be expected/)
        .waitFor()
      await state('integrations-quiet', page.getByText('Quiet: last lead 2 days ago'))
      await go(`/settings/integrations/${used.id}`)
      await state('key-quiet', page.getByText(/^Quiet: no lead since /))
      await db('source_silences').where({ dealer_id: dealerId }).update({ ended_at: new Date() })

      await go(`/settings/integrations/${unused.id}`)
      await state('key-unused', page.getByText('No requests yet.'))
      await go(`/settings/integrations/${used.id}`)
      await page.getByRole('cell', { name: 'createLead' }).first().waitFor()
      await state('key-used', page.getByText(/\d+ requests, \d+ refused or failed/))
      await go(`/settings/integrations/${test.id}`)
      await state('key-test', page.getByText('Test', { exact: true }))
      await go(`/settings/integrations/${disabled.id}`)
      await state('key-disabled', button('Enable key'))
      await go(`/settings/integrations/${expired.id}`)
      await state('key-expired', page.getByText('Expired', { exact: true }))
      await go(`/settings/integrations/key_${'0'.repeat(32)}`)
      await state('key-missing', page.getByText('It is not there any more.'))
      await waiting('**/v1/api-keys/*')
      await go(`/settings/integrations/${used.id}`)
      await state('key-loading', page.getByText('Loading…'))
      await asUsual()
    },
  },
  'changing a key': {
    states: [
      'replace',
      'replace-at-once',
      'key-replacement-pending',
      'key-replacement-in-use',
      'key-disable',
      'delete',
      'delete-unconfirmed',
      'sign-in-fresh',
    ],
    walk: async (walk) => {
      const { service, db, dealerId, admin, page, signIn, dialog, button, state, go, admitted } = walk
      const { unused, used, replaced } = await fillKeys(walk)
      await signIn(admin.email)
      await go(`/settings/integrations/${replaced.id}?dialog=replace`)
      await state('replace', dialog.getByLabel('another 24 hours'))
      await dialog.getByLabel('not any longer').check()
      await dialog.getByLabel('at once').check()
      await state('replace-at-once', dialog.getByText('Whatever uses it breaks until it has the new one.'))
      const { secret } = await admitted('POST', `/v1/api-keys/${replaced.id}/replacement`, {})
      await go(`/settings/integrations/${replaced.id}`)
      await page.getByText('Requests in the last hour with the old key: 0.').waitFor()
      await state('key-replacement-pending', page.getByText('has not been used yet'))
      await service.exchange(secret)
      await go(`/settings/integrations/${replaced.id}`)
      await page.getByText(/The old key .* works until/).waitFor()
      await state('key-replacement-in-use', page.getByText('Nobody used the old key in that hour.'))
      await button('Disable key').click()
      await state('key-disable', dialog.getByText(/^(Last used|It has never)/))
      await go(`/settings/integrations/${unused.id}?dialog=delete`)
      await state('delete', dialog.getByText('It has never been used.'))
      await go(`/settings/integrations/${used.id}?dialog=delete`)
      await button('Delete key').click()
      await state('delete-unconfirmed', dialog.getByText('This is not the name of the key.'))

      await db('credentials')
        .where({ dealer_id: dealerId, subject_type: 'user' })
        .update({ created_at: new Date(Date.now() - 16 * 60_000) })
      await go('/settings/integrations?create=extensive_integrations')
      await dialog.getByLabel('Name').fill('Asked again')
      await button('Create key').click()
      await state('sign-in-fresh', page.getByRole('dialog', { name: 'Confirm that it is you' }))
    },
  },
  users: {
    states: [
      'users',
      'users-loading',
      'users-error',
      'invite',
      'invite-missing',
      'invite-taken',
      'invite-link',
      'user-new-link',
      'user-change',
      'user-last-admin',
      'user-deactivate',
      'user-reactivate',
    ],
    walk: async ({
      admin,
      sales,
      page,
      signIn,
      dialog,
      button,
      state,
      go,
      waiting,
      failing,
      asUsual,
      admitted,
      inviteSomebody,
    }) => {
      const invited = await inviteSomebody()
      await signIn(admin.email)
      await go('/settings/users')
      await admitted('POST', '/v1/users', { email: 'sofie@screens.example', name: 'Sofie Sales', role: 'sales' })
      await admitted('PATCH', `/v1/users/${invited.user.id}`, { deactivated: true })
      await go('/settings/users')
      await page.getByText('Invited', { exact: true }).waitFor()
      await state('users', page.getByText('Deactivated', { exact: true }))
      await waiting('**/v1/users?*')
      await go('/settings/users')
      await state('users-loading', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/users?*')
      await go('/settings/users')
      await state('users-error', button('Try again'))
      await asUsual()
      await go('/settings/users?invite=true')
      await state('invite', dialog.getByText('The person signs in with it.'))
      await button('Make the link').click()
      await state('invite-missing', dialog.getByText('Type an e-mail address.'))
      await dialog.getByLabel('Name').fill(turned)
      await dialog.getByLabel('E-mail').fill(sales.email)
      await button('Make the link').click()
      await state('invite-taken', dialog.getByText('Somebody signs in with this e-mail address already.'))
      await dialog.getByLabel('E-mail').fill('anne@screens.example')
      await button('Make the link').click()
      await state('invite-link', dialog.getByLabel('Link', { exact: true }))
      await button('Done').click()
      await button('New link for Sofie Sales').click()
      await state('user-new-link', dialog.getByText('Make a new link if the first was lost'))
      await button('Cancel').click()
      await button('Change Sofie Sales').click()
      await dialog.getByLabel('Admin').check()
      await state('user-change', dialog.getByText('With another role, the person is signed out'))
      await button('Cancel').click()
      await page.getByRole('row').filter({ hasText: '(you)' }).getByRole('button', { name: 'Change' }).click()
      await dialog.getByLabel('Salesperson').check()
      await button('Save').click()
      await state('user-last-admin', dialog.getByText('This is the last active admin.'))
      await button('Cancel').click()
      await button('Deactivate Sofie Sales').click()
      await state('user-deactivate', dialog.getByText('The person is signed out everywhere at once'))
      await button('Cancel').click()
      await page.getByRole('button', { name: 'Reactivate' }).click()
      await state('user-reactivate', dialog.getByText('The person can sign in again'))
    },
  },
  account: {
    states: ['account', 'account-missing', 'account-wrong', 'account-changed', 'account-loading', 'account-error'],
    walk: async ({ admin, page, signIn, button, state, go, waiting, failing, asUsual }) => {
      await signIn(admin.email)
      await go('/settings/account')
      await state('account', page.getByText('This one'))
      await button('Change the password').click()
      await state('account-missing', page.getByText('Fill this in.'))
      await page.getByLabel('Current password').fill('wrong')
      await page.getByLabel('New password').fill(another)
      await page.getByLabel('The same once more').fill(another)
      await button('Change the password').click()
      await state('account-wrong', page.getByText('The current password is wrong.'))
      await page.getByLabel('Current password').fill(password)
      await button('Change the password').click()
      await state('account-changed', page.getByText('The password is changed.'))
      await waiting('**/v1/me/sessions')
      await go('/settings/account')
      await state('account-loading', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/me/sessions')
      await go('/settings/account')
      await state('account-error', button('Try again'))
      await asUsual()
    },
  },
  dealership: {
    states: [
      'audit',
      'audit-empty',
      'audit-loading',
      'audit-error',
      'dealer',
      'dealer-missing',
      'dealer-loading',
      'dealer-error',
      'notifications',
      'notifications-none',
      'notifications-loading',
      'notifications-error',
    ],
    walk: async ({
      db,
      dealerId,
      admin,
      dms,
      page,
      signIn,
      button,
      state,
      go,
      waiting,
      failing,
      asUsual,
      admitted,
    }) => {
      await admitted('POST', `/v1/api-keys/${dms.id}/replacement`, {})
      await signIn(admin.email)
      await go('/settings/audit')
      await state('audit', page.getByRole('cell', { name: /^Replaced|New key made/ }))
      await go('/settings/audit?to=2020-01-01')
      await state('audit-empty', page.getByText('No changes match.'))
      await waiting('**/v1/audit-entries*')
      await go('/settings/audit')
      await state('audit-loading', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/audit-entries*')
      await go('/settings/audit')
      await state('audit-error', button('Try again'))
      await asUsual()

      await go('/settings/dealer')
      await page.getByLabel('Keep the requests').selectOption('7 days')
      await state('dealer', page.getByText('Older requests will be deleted for good.'))
      await page.getByLabel('Name of the dealership').fill(' ')
      await button('Save').click()
      await state('dealer-missing', page.getByText('Fill this in.'))
      await waiting('**/v1/dealer')
      await go('/settings/dealer')
      await state('dealer-loading', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/dealer')
      await go('/settings/dealer')
      await state('dealer-error', button('Try again'))
      await asUsual()

      const mail = {
        dealer_id: dealerId,
        user_id: inner(admin.userId),
        data: '{}',
        due_at: new Date(),
        created_at: new Date(),
        changed_at: new Date(),
      }
      const outcomes = [
        ['new_leads', 'due'],
        ['key_created', 'sent'],
        ['key_deleted', 'given_up'],
        ['forgotten_password', 'unknown'],
      ] as const
      await db('mails').insert(
        outcomes.map(([kind, state]) => ({
          ...mail,
          id: newId(),
          kind,
          state,
          dedupe: state,
          ...(state === 'given_up' && { failure: hostile }),
        })),
      )
      await go('/settings/notifications')
      await state('notifications', page.getByText('The line broke before the mail server answered.'))
      await db('mails').where({ dealer_id: dealerId }).delete()
      await go('/settings/notifications')
      await page.getByText('This service cannot send mail yet.').waitFor()
      await state('notifications-none', page.getByText('No mails yet.'))
      await waiting('**/v1/me/notifications')
      await go('/settings/notifications')
      await state('notifications-loading', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/me/notifications')
      await go('/settings/notifications')
      await state('notifications-error', button('Try again'))
      await asUsual()
    },
  },
})
