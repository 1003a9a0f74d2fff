// Shows the API's description; Swagger UI needs to be told where it lies.
const place = document.getElementById("swagger-ui");
window.SwaggerUIBundle({ url: place.dataset.openapi, domNode: place, deepLinking: true, validatorUrl: null });
