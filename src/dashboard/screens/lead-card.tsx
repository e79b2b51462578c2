import { draggable } from '@atlaskit/pragmatic-drag-and-drop/element/adapter'
import { Stack, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { memo, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Lead } from '../client.ts'
import { nameOf, vehicleName } from '../lead.ts'
import { LeadChips } from './lead-chips.tsx'
import { MoveButtons, type PipelineView } from './moving.tsx'

/** The lead that is being dragged. */
export const draggedLead = (data: Record<string | symbol, unknown>) =>
  // The cast: nothing else is dragged here.
  data['lead'] as Lead | undefined

type LeadCardProps = { lead: Lead } & Pick<PipelineView, 'targetMinutes' | 'moving' | 'hold'>

/** A lead on the board. It can be dragged to another column, and has buttons for who does not drag. */
export const LeadCard = memo(
  function LeadCard({ lead, targetMinutes, moving, hold }: LeadCardProps) {
    const { t } = useTranslation()
    const element = useRef<HTMLDivElement>(null)
    const [isHeld, setIsHeld] = useState(false)
    useEffect(() => {
      if (!element.current) return undefined
      return draggable({
        element: element.current,
        getInitialData: () => ({ lead }),
        onDragStart: () => setIsHeld(true),
        onDrop: () => setIsHeld(false),
      })
    }, [lead])
    const [vehicle] = lead.vehiclesOfInterest
    return (
      <div className="card" ref={element} data-held={isHeld || undefined}>
        <Stack gap={6} align="flex-start">
          <Link className="link wrap" to="/leads/$leadId" params={{ leadId: lead.id }} draggable={false}>
            <bdi>{nameOf(lead) || t('lead.nameless')}</bdi>
          </Link>
          {vehicle && vehicleName(vehicle) && (
            <Text size="sm" className="wrap">
              <bdi>{vehicleName(vehicle)}</bdi>
            </Text>
          )}
          <Text size="sm" c="dimmed" className="wrap">
            {t(`leadType.${lead.type}`)} · <bdi>{lead.source.name}</bdi>
          </Text>
          <LeadChips lead={lead} targetMinutes={targetMinutes} />
          <MoveButtons lead={lead} moving={moving} onOpen={hold} />
        </Stack>
      </div>
    )
  },
  (before, after) => before.lead === after.lead && before.targetMinutes === after.targetMinutes,
)
