import { screens, fillPipeline, another, hostile, long } from './screens.ts'

screens({
  'signing in': {
    states: [
      'opening',
      'unreachable',
      'sign-in',
      'sign-in-missing',
      'sign-in-refused',
      'forgot',
      'forgot-wrong',
      'forgot-refused',
      'forgot-sent',
      'choose-password',
      'choose-password-wrong',
      'choose-password-set',
      'choose-password-dead',
    ],
    walk: async ({ admin, page, button, heading, state, go, waiting, failing, asUsual, inviteSomebody }) => {
      await waiting('**/v1/session/token')
      await go('/')
      await state('opening', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/session/token')
      await go('/')
      await state('unreachable', page.getByText('Request id: req-1234'))
      await asUsual()
      await button('Try again').click()
      await state('sign-in', heading('Sign in'))
      await button('Sign in').click()
      await state('sign-in-missing', page.getByText('Fill this in.'))
      await page.getByLabel('E-mail').fill(admin.email)
      await page.getByLabel('Password', { exact: true }).fill('wrong')
      await button('Sign in').click()
      await state('sign-in-refused', page.getByText('The e-mail is unknown or the password is wrong.'))
      await button('Forgotten your password?').click()
      await state('forgot', heading('Forgotten password'))
      await button('Send the link').click()
      await state('forgot-wrong', page.getByText('Type an e-mail address.'))
      await page.getByLabel('E-mail').fill('nobody@customer.example')
      await button('Send the link').click()
      await state('forgot-refused', page.getByText('This service cannot send mail.'))
      await page.route('**/v1/password-link', (route) => route.fulfill({ status: 204 }))
      await button('Send the link').click()
      await state('forgot-sent', page.getByText('a mail is on its way'))
      await asUsual()
      await button('Back to signing in').click()

      const invited = await inviteSomebody()
      await go(`/password${new URL(invited.passwordLink.url).hash}`)
      await state('choose-password', heading('Choose a password'))
      await page.getByLabel('New password').fill('too short')
      await button('Save the password').click()
      await page.getByLabel('New password').fill(another)
      await page.getByLabel('The same once more').fill('something else')
      await state('choose-password-wrong', page.getByText('The two are not the same.'))
      await page.getByLabel('The same once more').fill(another)
      await button('Save the password').click()
      await state('choose-password-set', page.getByText('Your password is saved.'))
      await go('/password')
      await state('choose-password-dead', page.getByText('This link does not work'))
    },
  },
  'pipeline and lead': {
    states: [
      'pipeline-empty',
      'pipeline-loading',
      'pipeline-error',
      'pipeline',
      'pipeline-paused',
      'pipeline-table',
      'pipeline-table-empty',
      'lead',
      'lead-original',
      'lead-missing',
      'lead-loading',
    ],
    walk: async (walk) => {
      const { admin, page, expectFailure, signIn, button, state, go, waiting, failing, asUsual } = walk
      await signIn(admin.email)
      await state('pipeline-empty', page.getByText('No new leads.'))
      await waiting('**/v1/leads?*')
      await go('/leads')
      await state('pipeline-loading', page.getByText('Loading…'))
      await asUsual()
      await failing('**/v1/leads?*')
      await go('/leads')
      await state('pipeline-error', button('Try again'))
      await asUsual()
      await fillPipeline(walk)
      await go('/leads')
      await page.getByText('Late: waiting').first().waitFor()
      await state('pipeline', page.getByText('leads have waited too long'))
      await page.route('**/v1/events/stream*', (route) => route.abort())
      expectFailure('net::ERR_FAILED')
      await go('/leads')
      await state('pipeline-paused', page.getByText('Live updates are paused'))
      await asUsual()
      await go('/leads?view=table')
      await state('pipeline-table', page.getByRole('row').filter({ hasText: long }))
      await go('/leads?view=table&type=finance')
      await state('pipeline-table-empty', page.getByText('No leads here.'))
      await go('/leads')
      await page.getByRole('link', { name: long }).first().click()
      await page
        .getByText('Moved to')
        .or(page.getByText('Received', { exact: true }))
        .first()
        .waitFor()
      await page.getByText(/createLead, 201/).waitFor()
      await state('lead', page.getByText('What was odd about it'))
      await button('As it was received').click()
      await state('lead-original', page.getByRole('region', { name: 'As it was received' }).getByText('surprise'))
      await go(`/leads/lead_${'0'.repeat(32)}`)
      await state('lead-missing', page.getByText('It is not there any more.'))
      await waiting('**/v1/leads/lead_*')
      await go(`/leads/lead_${'1'.repeat(32)}`)
      await state('lead-loading', page.getByText('Loading…'))
      await asUsual()
    },
  },
  'moving leads': {
    states: ['pipeline-move', 'pipeline-reason', 'pipeline-move-failed', 'pipeline-moved', 'pipeline-conflict'],
    walk: async (walk) => {
      const { admin, page, expectFailure, signIn, dialog, button, state, problem, failing, asUsual } = walk
      await fillPipeline(walk)
      await signIn(admin.email)
      await page.getByText('Late: waiting').first().waitFor()
      await button(`Move ${hostile}`).first().click()
      const moves = page.getByRole('group', { name: `Move ${hostile}` })
      await state('pipeline-move', moves)
      await moves.getByRole('button', { name: 'Lost' }).click()
      await state('pipeline-reason', dialog.getByLabel('Why?'))
      await button('Cancel').click()
      await button(`Move ${hostile}`).first().click()
      await failing('**/v1/leads/lead_*')
      await moves.getByRole('button', { name: 'Acknowledged' }).click()
      await state('pipeline-move-failed', page.getByText('Request id: req-1234'))
      await asUsual()
      await button(`Move ${hostile}`).first().click()
      await moves.getByRole('button', { name: 'Acknowledged' }).click()
      await state('pipeline-moved', button('Undo'))
      await page.route('**/v1/leads/lead_*', (route) =>
        route.request().method() === 'PATCH'
          ? route.fulfill({
              status: 412,
              contentType: 'application/problem+json',
              body: JSON.stringify({ ...problem, status: 412, code: 'lead-changed' }),
            })
          : route.continue(),
      )
      expectFailure(412)
      await button(`Move ${hostile}`).first().click()
      await moves.getByRole('button', { name: 'Won' }).click()
      await state('pipeline-conflict', page.getByText('was first:'))
      await asUsual()
    },
  },
  'sessions and roles': {
    states: ['preferences', 'not-found', 'offline', 'session-ended', 'sales-pipeline', 'sales-forbidden'],
    walk: async (walk) => {
      const { db, dealerId, admin, sales, page, context, signIn, heading, state, go } = walk
      await fillPipeline(walk)
      await signIn(admin.email)
      await go('/settings/preferences')
      await state('preferences', page.getByLabel('As the device'))
      await go('/nowhere')
      await state('not-found', heading('Page not found'))
      await context.setOffline(true)
      await state('offline', page.getByText('You are offline.'))
      await context.setOffline(false)
      await db('credentials').where({ dealer_id: dealerId, subject_type: 'user' }).update({ ends_at: new Date() })
      await page.getByRole('link', { name: 'Settings' }).click()
      await state('session-ended', page.getByRole('dialog', { name: 'Your session has ended' }))

      await signIn(sales.email)
      await state('sales-pipeline', page.getByText('waited too long'))
      await go('/settings/integrations')
      await state('sales-forbidden', heading('For admins only'))
    },
  },
})
