/**
 * Touches only what has changed: a screen reader reads it out, and a selection in it is lost.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
