import type { FC } from 'hono/jsx';
import type { IncidentRow } from '../../../db/incident-reads.ts';
import { counted } from '../format.ts';
import { Submit, TextArea } from '../parts/forms.tsx';
import { Sheet } from '../parts/sheet.tsx';
import { DataTable } from '../parts/table.tsx';
import { Host, Quoted, Time } from '../parts/text.tsx';
import { incidentWords, sentence } from '../words.ts';
import { IncidentState } from './incidents.tsx';

/** What can be done to incidents. */
export type IncidentAct = 'ack' | 'resolve';

const words = {
  ack: {
    verb: 'Acknowledge',
    busy: 'Acknowledging…',
    effect: 'Others see that you are at work on it. It stays until its cause ends.',
  },
  resolve: {
    verb: 'Resolve',
    busy: 'Resolving…',
    effect: 'It counts as over. If its cause stands, the next event or probe opens a new one.',
  },
} as const;

/** What is asked before incidents are acknowledged or resolved. */
export const IncidentActPage: FC<{ act: IncidentAct; rows: readonly IncidentRow[] }> = ({ act, rows }) => {
  const { verb, busy, effect } = words[act];
  const title = `${verb} ${counted(rows.length, 'incident')}`;
  return (
    <Sheet
      title={title}
      about={effect}
      action={`incidents/some/${act}`}
      back={rows.length === 1 ? { to: `incidents/${rows[0]?.id}` } : { to: 'incidents' }}
      fields={{ ids: rows.map(({ id }) => id).join(',') }}
      act={
        <Submit look="primary" needs="operator" busy={busy}>
          {verb} {counted(rows.length, 'incident')}
        </Submit>
      }
    >
      <DataTable
        caption={title}
        look="tight flat"
        small
        rows={rows.slice(0, 10)}
        columns={[
          {
            name: rows.length > 10 ? 'The first 10' : 'Incident',
            kind: 'id',
            cell: ({ incident_type: type, domain, reason }) => (
              <>
                {sentence(incidentWords[type])}, <Host name={domain} />
                {reason !== null && (
                  <span class="sub err">
                    <Quoted text={reason} max={160} />
                  </span>
                )}
              </>
            ),
          },
          { name: 'Status', cell: ({ status }) => <IncidentState of={status} /> },
          { name: 'Since', kind: 'num', cell: ({ created_at: at }) => <Time at={at} as="since" /> },
        ]}
      />
      <TextArea
        id="note"
        name="note"
        label="Note"
        hint="What you found or do about it; it stands in the incident and in the audit log."
        maxlength={2000}
        autofocus
      />
    </Sheet>
  );
};
