// On every page of a device that is with a patient: the other tabs of this browser, which still show the clinic, are told.
"use strict";

if (document.body.hasAttribute("data-handed-over")) localStorage.setItem("cadence-handed-over", String(Date.now()));
