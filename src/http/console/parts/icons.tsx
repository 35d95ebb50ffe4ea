import type { FC } from 'hono/jsx';

// Drawn on 16 × 16; outlines have one weight, filled shapes cut their inner mark out of the surface behind them.
const outlines = {
  overview: 'M2 2.2h5v6H2zM9.2 2.2H14v3.3H9.2zM9.2 7.8H14v6H9.2zM2 10.5h5v3.3H2z',
  domains:
    'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM2 8h12M8 1.8c3.6 3.4 3.6 9 0 12.4M8 1.8c-3.6 3.4-3.6 9 0 12.4',
  events: 'M1.5 8.2h3.2l1.8-5 3 9.6 1.8-4.6h3.2',
  dead: 'M2 3.6h12v8.8H2zM2.2 4.2 8 8.7l5.8-4.5M10.2 10.4l3.4 3.6m0-3.6-3.4 3.6',
  bell: 'M3.6 11.4V7.2a4.4 4.4 0 0 1 8.8 0v4.2l1 1.2H2.6zM6.4 14.5h3.2',
  incident: 'M3.2 14.6V1.8M3.2 2.4h9.2L10.6 5.5l1.8 3.1H3.2',
  source: 'M8 14.6V8.2M5 11a4.6 4.6 0 1 1 6 0M2.7 13.2a7.6 7.6 0 1 1 10.6 0',
  region:
    'M8 14.7S3.2 10.4 3.2 6.4a4.8 4.8 0 0 1 9.6 0c0 4-4.8 8.3-4.8 8.3zM8 4.9a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2z',
  audit: 'M3.2 1.7h9.6v12.6H3.2zM5.7 5.2h4.6M5.7 8h4.6M5.7 10.8h2.8',
  settings: 'M1.6 4.6h5.6m3.6 0h3.6M1.6 11.4h3.2m3.6 0h6M9 2.9v3.4M6.6 9.7v3.4',
  tokens: 'M10.4 2a3.6 3.6 0 1 0 0 7.2 3.6 3.6 0 0 0 0-7.2zM7.9 8.2 2.2 13.9M4.6 11.6l2 2',
  account: 'M8 2.2a2.9 2.9 0 1 0 0 5.8 2.9 2.9 0 0 0 0-5.8zM2.4 14.2c.6-3 2.8-4.4 5.6-4.4s5 1.4 5.6 4.4',
  ext: 'M6.2 3.2H3v9.8h9.8V9.8M9 2.6h4.4V7M13.2 2.8 7.4 8.6',
  search: 'M7 2.4a4.6 4.6 0 1 0 0 9.2 4.6 4.6 0 0 0 0-9.2zM10.4 10.4l3.6 3.6',
  menu: 'M2 4.2h12M2 8h12M2 11.8h12',
  close: 'm3.6 3.6 8.8 8.8m0-8.8-8.8 8.8',
  check: 'm2.6 8.6 3.4 3.3 7.4-7.6',
  csv: 'M8 1.8v8.2M4.7 7 8 10.2 11.3 7M2.2 13.8h11.6',
  replay: 'M2.6 8.2a5.4 5.4 0 1 0 1.8-4.2M4.6 1.2v3h3',
  pause: 'M5.2 3.2v9.6M10.8 3.2v9.6',
  play: 'M4.4 2.8 12.8 8l-8.4 5.2z',
  stop: 'M3.6 3.6h8.8v8.8H3.6z',
  skip: 'M2.6 11.4c1-4.6 5.6-6.2 9.6-3.4M13 4.2v4H9',
  silent: 'M1.6 8h2.8L6 3.8l2 7M10 8h4.4M2.6 14.2 13.4 2',
  probe: 'M8 3.4a4.6 4.6 0 1 0 0 9.2 4.6 4.6 0 0 0 0-9.2zM8 1v4m0 6v4M1 8h4m6 0h4',
  copy: 'M5.6 5.4h7.8v8.2H5.6zM3 10.4V2.6h7.4',
  note: 'M2.4 2.8h11.2v7.6H7.4L4.4 13v-2.6h-2z',
  person: 'M8 2.4a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4zM3 14c.5-2.6 2.5-4 5-4s4.5 1.4 5 4',
  policy: 'M8 1.8 13.4 4v4c0 3.2-2.2 5.2-5.4 6.4C4.8 13.2 2.6 11.2 2.6 8V4z',
  clock: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 4.6V8l2.4 1.6',
  arrow: 'M2.4 8h11M9.4 4l4 4-4 4',
} as const;

export type IconName = keyof typeof outlines | 'mark' | `s-${StateShape}`;
export type StateShape =
  | 'issued'
  | 'expiring'
  | 'tls_error'
  | 'pending_issue'
  | 'pending_route'
  | 'passthrough_unverified'
  | 'drift'
  | 'breach';

const Outline: FC<{ id: string; d: string }> = ({ id, d }) => (
  <symbol id={id} viewBox="0 0 16 16">
    <path d={d} class="ink" />
  </symbol>
);

const Shapes: FC = () => (
  <>
    <symbol id="mark" viewBox="0 0 16 16">
      <path d="M2 8h8.4M12.6 2v12" class="ink bold" />
      <circle cx="3.1" cy="8" r="2.2" fill="currentColor" />
    </symbol>
    <symbol id="s-issued" viewBox="0 0 16 16">
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path class="cut" d="m4.7 8.2 2.3 2.4 4.3-4.9" />
    </symbol>
    <symbol id="s-expiring" viewBox="0 0 16 16">
      <path d="M3.2 1.2h9.6v2.2L9.3 8l3.5 4.6v2.2H3.2v-2.2L6.7 8 3.2 3.4z" fill="currentColor" />
    </symbol>
    <symbol id="s-tls_error" viewBox="0 0 16 16">
      <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor" />
      <path class="cut" d="m5.5 5.5 5 5m0-5-5 5" />
    </symbol>
    <symbol id="s-pending_issue" viewBox="0 0 16 16">
      <circle cx="8" cy="8" r="6.2" class="ink bold" stroke-dasharray="2.9 1.97" />
    </symbol>
    <symbol id="s-pending_route" viewBox="0 0 16 16">
      <circle cx="3.6" cy="12.4" r="2.6" fill="currentColor" />
      <circle cx="12.4" cy="3.6" r="2.6" fill="currentColor" />
      <path d="m6.2 9.8.9-.9m1.8-1.8.9-.9" class="ink" />
    </symbol>
    <symbol id="s-passthrough_unverified" viewBox="0 0 16 16">
      <path d="M2 2v12M14 2v12M4.6 8h6.4M8.4 5.4 11 8l-2.6 2.6" class="ink" />
    </symbol>
    <symbol id="s-drift" viewBox="0 0 16 16">
      <path d="m8 1.1 6.9 6.9L8 14.9 1.1 8z" class="ink" />
      <path d="M8 1.1v13.8L1.1 8z" fill="currentColor" />
    </symbol>
    <symbol id="s-breach" viewBox="0 0 16 16">
      <path d="m8 1 7.5 13.5H.5z" fill="currentColor" />
      <path class="cut" d="M8 5.6v4.1m0 1.5v1.4" />
    </symbol>
  </>
);

/** All symbols, once at the top of the body. */
export const Sprite: FC = () => (
  <svg class="sprite" aria-hidden="true">
    {Object.entries(outlines).map(([name, d]) => (
      <Outline id={`i-${name}`} d={d} />
    ))}
    <Shapes />
  </svg>
);

const idOf = (name: IconName): string => (name === 'mark' || name.startsWith('s-') ? name : `i-${name}`);

/** A symbol of the sprite. It is decoration: the word beside it carries the meaning. */
export const Icon: FC<{ name: IconName }> = ({ name }) => (
  <svg class="icon" aria-hidden="true">
    <use href={`#${idOf(name)}`} />
  </svg>
);
