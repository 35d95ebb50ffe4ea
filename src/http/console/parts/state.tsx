import type { Child, FC } from 'hono/jsx';
import type { DriftState, TlsStatus } from '../../../lifecycle/types.ts';
import { driftWords, statusWords } from '../words.ts';
import { Icon, type IconName, type StateShape } from './icons.tsx';

/** The colours of states; `plain` is none of them. */
export type Tone = Exclude<StateShape, 'breach'> | 'plain';

interface MarkProps {
  readonly tone: Tone;
  readonly icon?: IconName | undefined;
  /** On a tinted ground, as in the head of a page. */
  readonly pill?: boolean;
  readonly children?: Child;
}

/** A word with its shape and colour: never colour alone. */
export const Mark: FC<MarkProps> = ({ tone, icon, pill = false, children }) => (
  <span class={`state state-${tone}${pill ? ' pill' : ''}`}>
    {icon !== undefined && <Icon name={icon} />}
    {children}
  </span>
);

/** The status of a domain. */
export const Status: FC<{ of: TlsStatus; pill?: boolean }> = ({ of, pill = false }) => (
  <Mark tone={of} icon={`s-${of}`} pill={pill}>
    {statusWords[of]}
  </Mark>
);

/** How what is served stands to what events said; `–` where that is not judged. */
export const Drift: FC<{ of: DriftState | null; pill?: boolean }> = ({ of, pill = false }) => {
  if (of === null) return <span class="faint">–</span>;
  const tone = of === 'in_step' ? 'issued' : 'drift';
  return (
    <Mark tone={tone} icon={`s-${tone}`} pill={pill}>
      {driftWords[of]}
    </Mark>
  );
};

/** How grave something is, apart from domains: `ok`, `wait`, `warn` or `bad`, each with its shape. */
export const outcomeMarks = {
  ok: { tone: 'issued', icon: 's-issued' },
  wait: { tone: 'pending_issue', icon: 's-pending_issue' },
  warn: { tone: 'expiring', icon: 's-expiring' },
  bad: { tone: 'tls_error', icon: 's-tls_error' },
  breach: { tone: 'tls_error', icon: 's-breach' },
  none: { tone: 'plain', icon: 'skip' },
} as const satisfies Record<string, { tone: Tone; icon: IconName }>;

/** A result in a word: `<Outcome of="bad">dead</Outcome>`. */
export const Outcome: FC<{ of: keyof typeof outcomeMarks; pill?: boolean; children?: Child }> = (props) => (
  <Mark {...outcomeMarks[props.of]} pill={props.pill ?? false}>
    {props.children}
  </Mark>
);

/** A small plain label, as the name of an environment or role. */
export const Tag: FC<{ children?: Child }> = ({ children }) => <span class="tag">{children}</span>;

/** A number that stands beside a word; `bad` for harm that is not undone. */
export const Count: FC<{ bad?: boolean; children?: Child }> = ({ bad = false, children }) => (
  <span class={bad ? 'count count-bad' : 'count'}>{children}</span>
);
