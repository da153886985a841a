/**
 * Stands in for the package react-style-singleton, with which the dialogs keep
 * a page behind them from scrolling, by writing a style element into it. The
 * content security policy refuses such elements, and this page does not scroll.
 */
export const styleSingleton = () => () => null;
