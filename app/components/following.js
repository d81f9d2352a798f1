// Notes that a link to another page was followed. Until the server has sent that page, a message from a component of the page that is
// left would reach the server as a request for it, and lead back there: `followingLink` says that such a message must not be sent.
// What draws a part of the page every second asks for it all the same. Where that has led back, the link is clicked again.

if (!window.followingLink) {
  const PATIENCE = 10_000; // milliseconds after which the next page is no longer awaited
  const LOOK = 400; // milliseconds between looks at whether the server has come to rest without sending the page
  let followed = null; // the link, where it was, until when the next page is awaited, and whether the server was at rest at the last look

  window.followingLink = () => followed !== null && followed.from === location.pathname && performance.now() < followed.until;

  const arrive = () => {
    if (!window.followingLink()) followed = null;
  };
  const look = (one) => {
    if (followed !== one || !window.followingLink() || !one.link.isConnected) return;
    const rests = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning";
    const again = rests && one.rested;
    one.rested = rests && !again;
    setTimeout(look, LOOK, one);
    if (again) one.link.click();
  };
  const follow = (event) => {
    arrive();
    const link = event.composedPath().find((one) => one.localName === "a" && one.href);
    const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || (link?.target || "_self") !== "_self";
    if (!link || opensElsewhere || link.hasAttribute("download") || link.origin !== location.origin || link.pathname === location.pathname) return;
    if (followed?.link === link) return;
    followed = { link, from: location.pathname, until: performance.now() + PATIENCE, rested: false };
    setTimeout(look, LOOK, followed);
  };
  document.addEventListener("click", follow, true);
  for (const kind of ["keydown", "popstate"]) window.addEventListener(kind, arrive, true);
}
