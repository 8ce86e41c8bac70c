import type { Message } from '../model/record.ts';

/** A liar gains no more than this from one line. */
export const maxRepeats = 1_000;

const opening = 'message repeated ';

/** Whether a text may be rsyslog's `message repeated n times: [ ORIGINAL]`. Cheap: asked for every message. */
export function saysRepeated(text: string): boolean {
  return text.startsWith(opening);
}

/**
 * Unwraps `message repeated n times: [ ORIGINAL]`, which rsyslog sends with `$RepeatedMsgReduction on` (Ubuntu's default): the original's
 * text, with weight n, at most maxRepeats.
 *
 * Only once, and only if host, program and pid are exactly those of the message before it on the same connection or in the same file:
 * otherwise it is what some program wrote itself, and stays as it is.
 *
 * @param previous the message before it, itself unwrapped; undefined at the beginning
 */
export function unwrapRepeated(message: Message, previous: Message | undefined): Message {
  if (!saysRepeated(message.text) || previous === undefined || message.appName === undefined) return message;
  if (message.appName !== previous.appName || message.procId !== previous.procId || message.hostname !== previous.hostname) return message;
  const found = /^message repeated ([1-9]\d{0,8}) times: \[ (.*)\]$/s.exec(message.text);
  if (found === null) return message;
  const [, times, original] = found;
  return original === undefined ? message : { ...message, text: original, repeats: Math.min(Number(times), maxRepeats) };
}
