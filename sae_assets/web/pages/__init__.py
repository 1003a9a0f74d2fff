"""The pages: HTML from the same functions and models as the API."""

from fastapi import APIRouter

from sae_assets.web.pages import checkpoint, checkpoints, compare, embed, feature, features, lists, try_text

router = APIRouter(include_in_schema=False)
for page in (checkpoints, features, try_text, feature, checkpoint, compare, lists, embed):  # "random" before an index
    router.include_router(page.router)
