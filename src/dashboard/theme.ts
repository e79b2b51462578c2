import { type CSSVariablesResolver, Button, createTheme, Modal } from '@mantine/core'

/**
 * What Mantine needs to be to pass WCAG 2.2 AA: darker text and buttons, and a dialog's header that is no second banner
 * of the page.
 */
export const theme = createTheme({
  primaryColor: 'blue',
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  respectReducedMotion: true,
  cursorType: 'pointer',
  defaultRadius: 'md',
  components: {
    // A long word of a translation goes on in the next line, where Mantine would cut it off.
    Button: Button.extend({
      styles: {
        root: { height: 'auto', minHeight: 'var(--button-height)', paddingBlock: 4 },
        label: { whiteSpace: 'normal', overflow: 'visible', lineHeight: 1.3 },
      },
    }),
    Modal: Modal.extend({ defaultProps: { attributes: { header: { role: 'presentation' } } } }),
  },
})

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#5c636a',
    '--mantine-color-error': '#b3261e',
    '--mantine-color-anchor': '#0b5cad',
  },
  dark: {
    '--mantine-color-dimmed': '#a6a7ab',
    '--mantine-color-error': '#ff9b9b',
    '--mantine-color-anchor': '#8cc2ff',
  },
})
