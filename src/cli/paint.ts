import { styleText } from 'node:util';

/** Gives text a meaning that a terminal shows as a colour. The words alone must say it too. */
export type Paint = (tone: Tone, text: string) => string;

export type Tone = 'heading' | 'faint' | 'good' | 'bad' | 'notable';

const formats = { heading: 'bold', faint: 'dim', good: 'green', bad: 'red', notable: 'yellow' } as const;

/** Colours where the stream is a terminal; NO_COLOR and FORCE_COLOR are obeyed (no-color.org). */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (tone, text) => styleText(formats[tone], text, { stream });
}

/** No colours at all. */
export const unpainted: Paint = (_tone, text) => text;
